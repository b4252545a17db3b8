"""What the wire protocols of the loopback provider have in common.

Owns the reading of untyped JSON, the cutting of text into streamed pieces, ids, token counts, and `Endpoint`,
the shape in which each protocol hands itself to the server.

whole: the answer to a request that does not stream.
frame: one server-sent event, ready to be written.
"""

from __future__ import annotations

import json
import re
import secrets
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from provider_model import Json, Reply

_ALPHABET = string.ascii_letters + string.digits


class Refusal(Exception):
    """A request that the provider answers with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Endpoint:
    """One path of a provider.

    `whole` raises Refusal. `frames` gives the same answer as a stream, from the whole and the request.
    `error` gives a refusal in the provider's own shape, from its status, message and request id.
    """

    whole: Callable[[Json], Json]
    frames: Callable[[Json, Json], Iterator[str]]
    error: Callable[[int, str, str], Json]
    request_id_header: str


@dataclass(frozen=True)
class PromptTokens:
    """`seen` is the part of `total` that the previous request of the same conversation carried already."""

    total: int
    seen: int


def members(value: object) -> Json:
    """The value if it is an object; else nothing."""
    return value if isinstance(value, dict) else {}


def elements(value: object) -> list[Json]:
    """The objects in the value if it is an array; else nothing."""
    return [element for element in value if isinstance(element, dict)] if isinstance(value, list) else []


def text_of(content: object) -> str:
    """The text of a message, whether it is a string or an array of parts."""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in elements(content))


def parsed_arguments(text: object) -> Json:
    try:
        return members(json.loads(str(text)))
    except ValueError:
        return {}


def check_required(request: Json, *names: str) -> None:
    for name in names:
        if request.get(name) in (None, "", []):
            raise Refusal(400, f"{name}: this field is required")


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def frame(data: object, event: str | None = None) -> str:
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {data if isinstance(data, str) else compact(data)}\n\n"


def fresh_id(prefix: str, length: int) -> str:
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def words(text: str) -> list[str]:
    """The text in the pieces in which a model streams prose; joined, they are the text."""
    return re.findall(r"\s*\S+|\s+$", text)


def slices(text: str, length: int = 7) -> list[str]:
    """The text in the pieces in which a model streams arguments; joined, they are the text."""
    return [text[start : start + length] for start in range(0, len(text), length)]


def token_count(text: str) -> int:
    """Four characters a token, rounded up: close enough to be believed, and the same every time."""
    return -(-len(text) // 4)


def prompt_tokens(preamble: object, history: Sequence[Json]) -> PromptTokens:
    """Counts preamble (tools, instructions) and history; what the model said last, and all since, is new."""
    counts = [token_count(compact(item)) for item in history]
    spoken = [item.get("role") == "assistant" or item.get("type") == "function_call" for item in history]
    fixed = token_count(compact(preamble))
    if True not in spoken:
        return PromptTokens(fixed + sum(counts), 0)
    start = len(spoken) - 1 - spoken[::-1].index(True)
    while start > 0 and spoken[start - 1]:
        start -= 1
    return PromptTokens(fixed + sum(counts), fixed + sum(counts[:start]))


def reply_tokens(reply: Reply) -> int:
    return token_count(reply.text) + sum(
        token_count(request.name) + token_count(compact(request.arguments)) for request in reply.requests
    )
