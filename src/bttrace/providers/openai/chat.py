"""OpenAI chat completions, and the many hosts that speak them. PURE.

Source: `ChatCompletion` and `ChatCompletionChunk` of openai 3.52 (`types/chat`), and what
compatible hosts add to a delta: `reasoning_content` (DeepSeek, Groq), `reasoning` and
`reasoning_details` (OpenRouter).
"""

from __future__ import annotations

from ...model import Endpoint, Json, Path
from ...values import at, field, items, members, objects, plain, position, text
from ..conversations.chat import ChatConversation
from .deltas import Parts
from .terms import COST, chat_terms

_GENERATED = (
    "content",
    "tool_calls",
    "refusal",
    "audio.data",
    "audio.transcript",
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "function_call",
)
_TEXTS = frozenset({"content", "reasoning_content", "reasoning", "refusal"})
_ARGUMENTS: Path = ("choices", 0, "delta", "tool_calls", 0, "function", "arguments")
_NOT_IN_RESPONSE = frozenset({"choices", "obfuscation", "usage"})


def is_first_token(chunk: object) -> bool:
    """Tells whether a chunk carries generated content; a delta with a role alone does not."""
    for choice in items(field(chunk, "choices")):
        delta = field(choice, "delta")
        if delta is not None and any(at(delta, path) for path in _GENERATED):
            return True
    return False


def is_first_text(chunk: object) -> bool:
    """Tells whether a chunk carries words of the answer."""
    for choice in items(field(chunk, "choices")):
        delta = field(choice, "delta")
        content = field(delta, "content")
        if content and (isinstance(content, str) or _has_text(content)):
            return True
        if field(delta, "refusal") or at(delta, "audio.transcript"):
            return True
    return False


def _has_text(parts: object) -> bool:
    """Tells whether parts of content hold text; Mistral sends its thinking as such parts too."""
    return any(text(field(part, "text")) for part in items(parts))


def piece(chunk: Json) -> Path | None:
    """Gives where a chunk has the text that it continues, if it continues one alone."""
    choices = chunk.get("choices")
    if not isinstance(choices, list) or len(choices) != 1:
        return None
    delta = field(choices[0], "delta")
    if not isinstance(delta, dict) or field(choices[0], "logprobs") is not None:
        return None
    said = [name for name, value in delta.items() if value and name != "role"]
    if said == ["tool_calls"]:
        calls = delta["tool_calls"]
        function = field(calls[0], "function") if isinstance(calls, list) and len(calls) == 1 else None
        return _ARGUMENTS if text(field(function, "arguments")) else None
    return ("choices", 0, "delta", said[0]) if len(said) == 1 and said[0] in _TEXTS else None


def finish_reason(response: Json) -> str | None:
    """Gives the first choice's finish reason."""
    for choice in objects(response.get("choices")):
        return text(choice.get("finish_reason"))
    return None


class _Choice:
    __slots__ = ("finish_reason", "logprobs", "message")

    def __init__(self) -> None:
        self.message = Parts()
        self.finish_reason: object = None
        self.logprobs: dict[str, list[object] | None] | None = None

    def add(self, choice: Json) -> None:
        delta = choice.get("delta")
        if delta is not None:
            self.message.add(delta)
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        logprobs = choice.get("logprobs")
        if logprobs is not None:
            held = self.logprobs = self.logprobs or {}
            for name, tokens in members(logprobs).items():
                if tokens is None:
                    held.setdefault(name, None)
                else:
                    held[name] = joined = held.get(name) or []
                    joined.extend(plain(token) for token in items(tokens))


class ChatFold:
    """Puts chat completion chunks together into a chat completion."""

    def __init__(self) -> None:
        self._head: Json = {}
        self._is_headed = False
        self._choices: dict[int, _Choice] = {}

    def add(self, chunk: object) -> None:
        """Takes the next chunk."""
        sent = members(chunk)
        for one in items(sent.get("choices")):
            choice = members(one)
            index = position(choice.get("index"))
            held = self._choices.get(index)
            if held is None:
                held = self._choices[index] = _Choice()
            held.add(choice)
        head = self._head
        if not self._is_headed:
            for name, value in sent.items():
                if name not in _NOT_IN_RESPONSE and (value or name not in head):
                    head[name] = plain(value)
            self._is_headed = bool(head.get("id") and head.get("model"))  # Azure's first chunk has both empty
        usage = sent.get("usage")
        if usage is None and "x_groq" in sent:
            usage = at(sent, "x_groq.usage")
        if usage is not None:
            head["usage"] = plain(usage)

    def response(self) -> Json:
        """Gives the chat completion so far; an empty object when no chunk came."""
        if not self._head and not self._choices:
            return {}
        choices = []
        for index, choice in sorted(self._choices.items()):
            whole: Json = {"index": index, "message": choice.message.plain()}
            whole["finish_reason"] = choice.finish_reason
            if choice.logprobs is not None:
                whole["logprobs"] = choice.logprobs
            choices.append(whole)
        return {**self._head, "object": "chat.completion", "choices": choices}


CHAT = Endpoint(
    path="/chat/completions",
    api="chat.completions",
    braintrust_name="Chat Completion",
    request_model="openai.types.chat.completion_create_params.CompletionCreateParamsBase",
    response_model="openai.types.chat.ChatCompletion",
    chunk_model="openai.types.chat.ChatCompletionChunk",
    input=lambda request: request.get("messages"),
    output=("choices",),
    usage={
        "prompt_tokens": ("usage.prompt_tokens",),
        "completion_tokens": ("usage.completion_tokens",),
        "tokens": ("usage.total_tokens",),
        "prompt_cached_tokens": ("usage.prompt_tokens_details.cached_tokens",),
        "prompt_cache_creation_tokens": ("usage.prompt_tokens_details.cache_write_tokens",),
        "prompt_audio_tokens": ("usage.prompt_tokens_details.audio_tokens",),
        "completion_reasoning_tokens": ("usage.completion_tokens_details.reasoning_tokens",),
        "completion_audio_tokens": ("usage.completion_tokens_details.audio_tokens",),
        "completion_image_tokens": ("usage.completion_tokens_details.image_tokens",),
        "estimated_cost": COST,
    },
    terms=chat_terms,
    parameters={
        "temperature": ("temperature",),
        "top_p": ("top_p",),
        "max_tokens": ("max_completion_tokens", "max_tokens"),
        "frequency_penalty": ("frequency_penalty",),
        "presence_penalty": ("presence_penalty",),
        "stop": ("stop",),
        "response_format": ("response_format",),
        "tool_choice": ("tool_choice",),
        "parallel_tool_calls": ("parallel_tool_calls",),
        "reasoning": ("reasoning", "reasoning_effort"),
        "service_tier": ("service_tier",),
        "stream": ("stream",),
    },
    details={"response_id": "id", "service_tier": "service_tier"},
    finish_reason=finish_reason,
    is_first_token=is_first_token,
    piece=piece,
    is_first_text=is_first_text,
    fold=ChatFold,
    conversation=ChatConversation(),
)
