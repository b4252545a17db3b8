"""Anthropic's legacy text completion. PURE.

Source: `Completion` of anthropic 0.20 to 1.x (`types/completion.py`); anthropic 2 has no
method for it any more, though its client can still ask (2.11, `_streaming.py`, passes the
events on). The API counts no tokens here.
"""

from __future__ import annotations

from ...model import Endpoint, Json
from ...values import field, json_object, members, plain, text
from ..text import Text


def is_first_token(chunk: object) -> bool:
    """Tells whether an event carries text."""
    return bool(field(chunk, "completion"))


class CompletionFold:
    """Puts the events of a completion together; all but the text is as the last one said."""

    def __init__(self) -> None:
        self._last: Json = {}
        self._text = Text()

    def add(self, chunk: object) -> None:
        """Takes the next event."""
        self._text.add(text(field(chunk, "completion")) or "")
        self._last = json_object(plain(members(chunk)))

    def response(self) -> Json:
        """Gives the completion so far; an empty object when no event came."""
        return {**self._last, "completion": str(self._text)} if self._last else {}


COMPLETE = Endpoint(
    path="/v1/complete",
    api="complete",
    braintrust_name="anthropic.completions.create",
    input=lambda request: request.get("prompt"),
    output=("completion", "stop_reason", "stop"),
    parameters={
        "temperature": ("temperature",),
        "top_p": ("top_p",),
        "max_tokens": ("max_tokens_to_sample",),
        "stop": ("stop_sequences",),
        "stream": ("stream",),
    },
    details={"response_id": "id"},
    finish_reason=lambda response: text(response.get("stop_reason")),
    is_first_token=is_first_token,
    fold=CompletionFold,
)
