"""OpenAI's legacy completions, and the hosts that still offer them. PURE.

Source: `Completion` of openai 3.52 (`types/completion.py`): a chunk of a stream has the same
shape as the whole, with the next piece of each choice's text.
"""

from __future__ import annotations

from ...model import Endpoint, Json
from ...values import field, items, members, plain, position
from ..text import Text
from .chat import CHAT, finish_reason
from .terms import chat_terms


def is_first_token(chunk: object) -> bool:
    """Tells whether a chunk carries text; with `echo`, the first text is the prompt's."""
    return any(field(choice, "text") for choice in items(field(chunk, "choices")))


class _Choice:
    __slots__ = ("fields", "logprobs", "text")

    def __init__(self) -> None:
        self.fields: Json = {}
        self.text = Text()
        self.logprobs: dict[str, list[object]] | None = None

    def add(self, choice: object) -> None:
        for name, value in members(choice).items():
            if name == "text" and isinstance(value, str):
                self.text.add(value)
            elif name == "logprobs":
                self._extend(value)
            elif value is not None or name not in self.fields:
                self.fields[name] = plain(value)

    def _extend(self, logprobs: object) -> None:
        for name, values in members(logprobs).items():
            self.logprobs = self.logprobs or {}
            self.logprobs.setdefault(name, []).extend(plain(value) for value in items(values))

    def plain(self) -> Json:
        return {**self.fields, "text": str(self.text), "logprobs": self.logprobs}


class CompletionFold:
    """Puts chunks of a completion together into a completion."""

    def __init__(self) -> None:
        self._head: Json = {}
        self._choices: dict[int, _Choice] = {}

    def add(self, chunk: object) -> None:
        """Takes the next chunk."""
        for name, value in members(chunk).items():
            if name == "choices":
                for choice in items(value):
                    self._choices.setdefault(position(field(choice, "index")), _Choice()).add(choice)
            elif value is not None:
                self._head[name] = plain(value)

    def response(self) -> Json:
        """Gives the completion so far; an empty object when no chunk came."""
        if not self._head and not self._choices:
            return {}
        return {**self._head, "choices": [choice.plain() for _, choice in sorted(self._choices.items())]}


COMPLETIONS = Endpoint(
    path="/completions",
    api="completions",
    braintrust_name="Completion",
    request_model="openai.types.completion_create_params.CompletionCreateParamsBase",
    response_model="openai.types.Completion",
    chunk_model="openai.types.Completion",
    input=lambda request: request.get("prompt"),
    output=("choices",),
    usage=CHAT.usage,
    terms=chat_terms,
    parameters={
        "temperature": ("temperature",),
        "top_p": ("top_p",),
        "max_tokens": ("max_tokens",),
        "frequency_penalty": ("frequency_penalty",),
        "presence_penalty": ("presence_penalty",),
        "stop": ("stop",),
        "stream": ("stream",),
    },
    details={"response_id": "id"},
    finish_reason=finish_reason,
    is_first_token=is_first_token,
    fold=CompletionFold,
)

ROWS = (COMPLETIONS,)
