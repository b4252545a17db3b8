"""OpenAI Responses. PURE.

Source: `Response` and `ResponseStreamEvent` of openai 3.52 (`types/responses`). The last
event of a stream carries the whole response; the events before it are kept only so that
a stream which is left early still shows what came.
"""

from __future__ import annotations

from collections.abc import Collection

from ...model import Endpoint, Json
from ...values import field, items, json_object, plain, position, text
from ..text import Text, continue_text

_WHOLE = frozenset({"response.completed", "response.incomplete", "response.failed"})
_HEADS = frozenset({"response.created", "response.in_progress", "response.queued"})
# event type -> the item's list of parts, and the part's field, that its `delta` continues
_PART_DELTAS = {
    "response.output_text.delta": ("content", "content_index", "text"),
    "response.refusal.delta": ("content", "content_index", "refusal"),
    "response.reasoning_text.delta": ("content", "content_index", "text"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index", "text"),
}
# event type -> the item's field that its `delta` continues
_ITEM_DELTAS = {
    "response.function_call_arguments.delta": "arguments",
    "response.mcp_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.code_interpreter_call_code.delta": "code",
}
_PARTS_ADDED = {
    "response.content_part.added": ("content", "content_index"),
    "response.reasoning_summary_part.added": ("summary", "summary_index"),
}


def is_first_token(chunk: object) -> bool:
    """Tells whether an event carries generated content."""
    kind = field(chunk, "type")
    # A delta that is an object is a shell's output, which no model generated (openai 3.52, types/responses).
    return isinstance(kind, str) and kind.endswith(".delta") and bool(text(field(chunk, "delta")))


def with_instructions(request: Json) -> object:
    """Gives the input, with the instructions as a leading system message."""
    given = request.get("input")
    instructions = request.get("instructions")
    if not isinstance(instructions, str) or not instructions:
        return given
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else list(items(given))
    return [{"role": "system", "content": instructions}, *messages]


def finish_reason(response: Json) -> str | None:
    """Gives why the response ended: the reason it is incomplete, else its status."""
    return text(json_object(response.get("incomplete_details")).get("reason")) or text(response.get("status"))


class ResponseFold:
    """Puts Responses events together into a response; `part_deltas` and `whole` may be of a kindred API."""

    def __init__(
        self,
        part_deltas: dict[str, tuple[str, str, str]] = _PART_DELTAS,
        whole: Collection[str] = _WHOLE,
    ) -> None:
        self._part_deltas = part_deltas
        self._ends = whole
        self._head: Json = {}
        self._items: dict[int, Json] = {}
        self._whole = False

    def add(self, chunk: object) -> None:
        """Takes the next event."""
        kind = text(field(chunk, "type"))
        if kind in self._part_deltas:
            place, index, name = self._part_deltas[kind]
            continue_text(self._part(chunk, place, index), name, field(chunk, "delta"))
        elif kind in _ITEM_DELTAS:
            continue_text(self._item(chunk), _ITEM_DELTAS[kind], field(chunk, "delta"))
        elif kind in self._ends or kind in _HEADS:
            self._head = json_object(plain(field(chunk, "response")))
            self._whole = kind in self._ends
        elif kind in ("response.output_item.added", "response.output_item.done"):
            item = plain(field(chunk, "item"))
            self._items[position(field(chunk, "output_index"))] = json_object(item)
        elif kind in _PARTS_ADDED:
            place, index = _PARTS_ADDED[kind]
            self._part(chunk, place, index).update(json_object(plain(field(chunk, "part"))))
        elif kind == "error":
            # The SDK hands this event over and raises nothing (openai 3.52, types/responses).
            error = {name: plain(field(chunk, name)) for name in ("code", "message", "param")}
            self._head = {**self._head, "status": "failed", "error": error}

    def _item(self, chunk: object) -> Json:
        return self._items.setdefault(position(field(chunk, "output_index")), {})

    def _part(self, chunk: object, place: str, index: str) -> Json:
        """Gives the part of an item that an event is about."""
        item = self._item(chunk)
        held = item.get(place)
        if not isinstance(held, _Parts):
            held = item[place] = _Parts(enumerate(map(json_object, items(held))))
        return held.setdefault(position(field(chunk, index)), {})

    def response(self) -> Json:
        """Gives the response so far; an empty object when no event came."""
        if not self._items or (self._whole and items(self._head.get("output"))):
            return self._head
        output = [_settled(item) for _, item in sorted(self._items.items())]
        return {**self._head, "output": output}


class _Parts(dict[int, Json]):
    """An item's parts by index, which become a list."""


def _settled(value: object) -> object:
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, _Parts):
        return [_settled(part) for _, part in sorted(value.items())]
    if isinstance(value, dict):
        return {name: _settled(item) for name, item in value.items()}
    return value


RESPONSES = Endpoint(
    path="/responses",
    api="responses",
    braintrust_name="openai.responses.create",
    request_model="openai.types.responses.response_create_params.ResponseCreateParamsBase",
    response_model="openai.types.responses.Response",
    chunk_model="openai.types.responses.ResponseStreamEvent",
    input=with_instructions,
    output=("output",),
    usage={
        "prompt_tokens": ("usage.input_tokens",),
        "completion_tokens": ("usage.output_tokens",),
        "tokens": ("usage.total_tokens",),
        "prompt_cached_tokens": ("usage.input_tokens_details.cached_tokens",),
        "prompt_cache_creation_tokens": ("usage.input_tokens_details.cache_write_tokens",),
        "completion_reasoning_tokens": ("usage.output_tokens_details.reasoning_tokens",),
        "estimated_cost": ("usage.cost",),
    },
    parameters={
        "temperature": ("temperature",),
        "top_p": ("top_p",),
        "max_tokens": ("max_output_tokens",),
        "response_format": ("text.format",),
        "tool_choice": ("tool_choice",),
        "parallel_tool_calls": ("parallel_tool_calls",),
        "reasoning": ("reasoning",),
        "service_tier": ("service_tier",),
        "stream": ("stream",),
        "user_id": ("user", "safety_identifier"),
    },
    details={"response_id": "id", "service_tier": "service_tier"},
    finish_reason=finish_reason,
    tools=lambda tools: tools,
    is_first_token=is_first_token,
    fold=ResponseFold,
)
