"""Anthropic messages. PURE.

Source: `BetaMessage` and `BetaRawMessageStreamEvent` of anthropic 2.11 (`types/beta`), which
have all that those without beta have, and more. Anthropic counts cached tokens beside the
input's, not within them, so the prompt's tokens are a sum.
"""

from __future__ import annotations

import json

from ...model import Endpoint, Json, Path
from ...values import at, field, items, json_object, members, objects, plain, position, text
from ..conversations.compactions import compactions
from ..conversations.messages import MessagesConversation
from ..conversations.served_blocks import moment
from ..text import Text, continue_text
from .terms import message_terms

# delta type -> its field, and the content block's field that it continues
_PIECES = {
    "text_delta": ("text", "text"),
    "input_json_delta": ("partial_json", "input"),
    "thinking_delta": ("thinking", "thinking"),
}
# delta type -> fields that it sets whole (anthropic 2.11, lib/streaming/_beta_messages.py, accumulate_event)
_WHOLE = {
    "signature_delta": ("signature",),
    "compaction_delta": ("content", "encrypted_content"),
}
_GENERATED = ("text", "thinking", "content", "citation")
_NOT_IN_MESSAGE = frozenset({"delta", "type", "usage"})
_PROMPT = ("usage.input_tokens", "usage.cache_read_input_tokens", "usage.cache_creation_input_tokens")


def is_first_token(chunk: object) -> bool:
    """Tells whether an event carries generated content.

    A tool's arguments begin with a delta that is empty; a block's start alone, or the seal
    (`signature`) on thinking that is not shown, is no content.
    """
    kind = field(chunk, "type")
    if kind == "content_block_start":
        return bool(at(chunk, "content_block.text"))
    delta = field(chunk, "delta") if kind == "content_block_delta" else None
    return field(delta, "type") == "input_json_delta" or any(field(delta, name) for name in _GENERATED)


def is_first_text(chunk: object) -> bool:
    """Tells whether an event carries text of the answer; a block's start may hold its first."""
    kind = field(chunk, "type")
    if kind == "content_block_start":
        return bool(text(at(chunk, "content_block.text")))
    return kind == "content_block_delta" and bool(text(at(chunk, "delta.text")))


def with_system(request: Json) -> object:
    """Gives the messages, followed by the system prompt as an entry of its own."""
    messages = list(items(request.get("messages")))
    system = request.get("system")
    return [*messages, {"role": "system", "content": system}] if system else messages


def openai_tools(tools: object) -> object:
    """Gives tool definitions in OpenAI's shape; Anthropic's own tools stay as they are."""
    converted = []
    for tool in objects(tools):
        if "input_schema" not in tool:
            converted.append(tool)
            continue
        function = {"name": tool.get("name"), "parameters": tool["input_schema"]}
        if "description" in tool:
            function["description"] = tool["description"]
        converted.append({"type": "function", "function": function})
    return converted


def openai_tool_choice(choice: object) -> object:
    """Gives which tools may be called in OpenAI's words."""
    kind = field(choice, "type")
    if kind == "tool":
        return {"type": "function", "function": {"name": field(choice, "name")}}
    return {"auto": "auto", "any": "required", "none": "none"}.get(str(kind), choice)


def piece(chunk: Json) -> Path | None:
    """Gives where an event has the text that it continues."""
    kind = field(chunk.get("delta"), "type")
    source, _ = _PIECES.get(kind, ("", "")) if isinstance(kind, str) else ("", "")
    return ("delta", source) if source and chunk.get("type") == "content_block_delta" else None


class MessageFold:
    """Puts message events together into a message."""

    def __init__(self) -> None:
        self._message: Json = {}
        self._blocks: dict[int, Json] = {}

    def add(self, chunk: object) -> None:
        """Takes the next event."""
        kind = field(chunk, "type")
        if kind == "content_block_delta":
            _continue(self._blocks.setdefault(position(field(chunk, "index")), {}), field(chunk, "delta"))
        elif kind == "content_block_start":
            self._start(position(field(chunk, "index")), json_object(plain(field(chunk, "content_block"))))
        elif kind == "message_start":
            self._message = json_object(plain(field(chunk, "message")))
        elif kind == "message_delta":
            self._update(self._message, members(field(chunk, "delta")))
            beside = {name: value for name, value in members(chunk).items() if name not in _NOT_IN_MESSAGE}
            self._update(self._message, beside)
            usage = self._message["usage"] = {**json_object(self._message.get("usage"))}
            self._update(usage, members(field(chunk, "usage")))

    @staticmethod
    def _update(held: Json, said: Json) -> None:
        """Takes what an event says; a null says nothing of what is already known."""
        held.update(
            {name: plain(value) for name, value in said.items() if value is not None or name not in held}
        )

    def _start(self, index: int, block: Json) -> None:
        self._blocks[index] = block
        if block.get("type") == "fallback":
            # Another model goes on from here, and its price applies (anthropic 2.11, as above).
            model = text(at(block, "to.model"))
            self._message.update({"model": model} if model else {})

    def response(self) -> Json:
        """Gives the message so far; an empty object when no event came."""
        if not self._message and not self._blocks:
            return {}
        content = [_settled(block) for block in self._blocks.values()]
        return {**self._message, "content": content}


def _continue(block: Json, delta: object) -> None:
    kind = field(delta, "type")
    if kind == "citations_delta":
        citations = list(items(block.get("citations")))
        block["citations"] = [*citations, plain(field(delta, "citation"))]
        return
    if not isinstance(kind, str):
        return
    for name in _WHOLE.get(kind, ()):
        given = plain(field(delta, name))
        if given is not None:
            block[name] = given
    source, target = _PIECES.get(kind, ("", ""))
    if source:
        continue_text(block, target, field(delta, source))


def _settled(block: Json) -> Json:
    whole = {name: str(value) if isinstance(value, Text) else value for name, value in block.items()}
    if isinstance(block.get("input"), Text):
        try:
            whole["input"] = json.loads(str(whole["input"]) or "{}")
        except (ValueError, RecursionError):
            pass  # the stream was left in the middle of the arguments: they stay as the text that came
    return whole


MESSAGES = Endpoint(
    path="/v1/messages",
    api="messages",
    braintrust_name="anthropic.messages.create",
    braintrust_streamed_name="anthropic.messages.stream",
    request_model="anthropic.types.beta.message_create_params.MessageCreateParamsBase",
    response_model="anthropic.types.beta.BetaMessage",
    chunk_model="anthropic.types.beta.BetaRawMessageStreamEvent",
    input=with_system,
    output=(
        *("role", "content", "stop_reason", "stop_sequence", "stop_details"),
        *("container", "context_management"),
    ),
    usage={
        "prompt_tokens": _PROMPT,
        "completion_tokens": ("usage.output_tokens",),
        "tokens": (*_PROMPT, "usage.output_tokens"),
        "prompt_cached_tokens": ("usage.cache_read_input_tokens",),
        "prompt_cache_creation_tokens": ("usage.cache_creation_input_tokens",),
        "prompt_cache_creation_5m_tokens": ("usage.cache_creation.ephemeral_5m_input_tokens",),
        "prompt_cache_creation_1h_tokens": ("usage.cache_creation.ephemeral_1h_input_tokens",),
        "completion_reasoning_tokens": ("usage.output_tokens_details.thinking_tokens",),
        "estimated_cost": ("usage.cost",),
    },
    terms=message_terms,
    parameters={
        "temperature": ("temperature",),
        "top_p": ("top_p",),
        "max_tokens": ("max_tokens",),
        "stop": ("stop_sequences",),
        "response_format": ("output_config.format",),
        "tool_choice": ("tool_choice",),
        "reasoning": ("thinking",),
        "service_tier": ("service_tier",),
        "stream": ("stream",),
        "context_management": ("context_management",),
    },
    details={
        "response_id": "id",
        "service_tier": "usage.service_tier",
        "speed": "usage.speed",
        "server_tool_use": "usage.server_tool_use",
        # Compaction, and a model that advises, spend tokens of their own beside the usage's sums.
        "usage_iterations": "usage.iterations",
    },
    finish_reason=lambda response: text(response.get("stop_reason")),
    tools=openai_tools,
    tool_choice=openai_tool_choice,
    is_first_token=is_first_token,
    is_first_text=is_first_text,
    fold=MessageFold,
    conversation=MessagesConversation(),
    compactions=compactions,
    moment=moment,
    piece=piece,
)
