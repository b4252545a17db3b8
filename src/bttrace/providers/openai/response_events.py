"""The events of a streamed OpenAI response, put together. PURE.

Source: `ResponseStreamEvent` of openai 3.52 (`types/responses`). The last event of a stream
carries the whole response; the events before it are kept only so that a stream which is
left early still shows what came.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ...model import Json, Path
from ...values import field, items, json_object, plain, position, text
from ..text import Text, continue_text

_WHOLE = frozenset({"response.completed", "response.incomplete", "response.failed"})
_HEADS = frozenset({"response.created", "response.in_progress", "response.queued"})
# Text in an item's list of parts: the list, the part's index, and its field. The event's name ends
# in `.delta`, with a piece of the text, or in `.done`, with all of it.
_PART_TEXTS = {
    "response.output_text": ("content", "content_index", "text"),
    "response.refusal": ("content", "content_index", "refusal"),
    "response.reasoning_text": ("content", "content_index", "text"),
    "response.reasoning_summary_text": ("summary", "summary_index", "text"),
}
# Text in a field of an item itself; the events are named alike.
_ITEM_TEXTS = {
    "response.function_call_arguments": "arguments",
    "response.mcp_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.code_interpreter_call_code": "code",
}
_PARTS = {
    "response.content_part.added": ("content", "content_index"),
    "response.content_part.done": ("content", "content_index"),
    "response.reasoning_summary_part.added": ("summary", "summary_index"),
    "response.reasoning_summary_part.done": ("summary", "summary_index"),
}
# Events whose `delta` is words of the answer.
_WORDS = ("response.output_text.delta", "response.refusal.delta", "response.audio.transcript.delta")
_ITEMS = frozenset({"response.output_item.added", "response.output_item.done"})
_ANNOTATION = "response.output_text.annotation.added"
_IMAGE = "response.image_generation_call.partial_image"
_IMAGE_FIELDS = ("background", "output_format", "quality", "size")
_COMMAND = "response.shell_call_command"
_COMMAND_OUTPUT = "response.shell_call_output_content"


def is_first_token(chunk: object) -> bool:
    """Tells whether an event carries generated content."""
    kind = field(chunk, "type")
    # A delta that is an object is a shell's output, which no model generated (openai 3.52, types/responses).
    return isinstance(kind, str) and (
        (kind.endswith(".delta") and bool(text(field(chunk, "delta")))) or kind == _IMAGE
    )


class _Parts(dict[int, object]):
    """A list that is filled by index."""


def is_first_text(chunk: object) -> bool:
    """Tells whether an event carries words of the answer."""
    return field(chunk, "type") in _WORDS and bool(text(field(chunk, "delta")))


def piece(chunk: Json) -> Path | None:
    """Gives where an event has the text that it continues."""
    subject, _, step = (text(chunk.get("type")) or "").rpartition(".")
    if step != "delta" or chunk.get("logprobs"):
        return None
    return ("delta",) if subject in _PART_TEXTS or subject in _ITEM_TEXTS else None


class ResponseFold:
    """Puts Responses events together into a response; `part_texts` and `whole` may be of a kindred API."""

    def __init__(
        self,
        part_texts: Mapping[str, tuple[str, str, str]] = _PART_TEXTS,
        whole: Collection[str] = _WHOLE,
    ) -> None:
        self._part_texts = part_texts
        self._ends = whole
        self._head: Json = {}
        self._items: dict[int, Json] = {}
        self._whole = False

    def add(self, chunk: object) -> None:
        """Takes the next event."""
        kind = text(field(chunk, "type")) or ""
        subject, _, step = kind.rpartition(".")
        if subject in self._part_texts:
            place, index, name = self._part_texts[subject]
            part = self._part(chunk, place, index)
            _say(part, name, step, chunk)
            if step == "delta":
                _extend(part, "logprobs", items(plain(field(chunk, "logprobs"))))
        elif subject in _ITEM_TEXTS:
            _say(self._item(chunk), _ITEM_TEXTS[subject], step, chunk)
        elif kind in self._ends or kind in _HEADS:
            self._head = json_object(plain(field(chunk, "response")))
            self._whole = kind in self._ends
        elif kind in _ITEMS:
            item = plain(field(chunk, "item"))
            self._items[position(field(chunk, "output_index"))] = json_object(item)
        elif kind in _PARTS:
            place, index = _PARTS[kind]
            self._part(chunk, place, index).update(json_object(plain(field(chunk, "part"))))
        elif kind == "error":
            # The SDK hands this event over and raises nothing (openai 3.52, types/responses).
            error = {name: plain(field(chunk, name)) for name in ("code", "message", "param")}
            self._head = {**self._head, "status": "failed", "error": error}
        else:
            self._add_detail(kind, subject, step, chunk)

    def _add_detail(self, kind: str, subject: str, step: str, chunk: object) -> None:
        """Takes an event that tells of a part of an item, or of how far it has got."""
        if kind == _ANNOTATION:
            notes = _list(self._part(chunk, "content", "content_index"), "annotations")
            notes[position(field(chunk, "annotation_index"))] = plain(field(chunk, "annotation"))
        elif subject in (_COMMAND, _COMMAND_OUTPUT):
            self._shell(chunk, subject, step)
        elif kind == _IMAGE:
            told = {name: value for name in _IMAGE_FIELDS if (value := field(chunk, name)) is not None}
            self._item(chunk).update(told, partial_image_b64=field(chunk, "partial_image_b64"))
        else:
            self._progress(chunk, subject, step)

    def _shell(self, chunk: object, subject: str, step: str) -> None:
        """Takes a command of a shell call, or what running it gave."""
        index = position(field(chunk, "command_index"))
        item = self._item(chunk)
        if subject == _COMMAND_OUTPUT:
            delta = field(chunk, "delta")
            ran = _object(_list(item, "output"), index)
            for name in ("stdout", "stderr"):
                continue_text(ran, name, field(delta, name))
            if step == "done":
                item["output"] = plain(field(chunk, "output"))
            return
        action = item["action"] = json_object(item.get("action"))
        commands = _list(action, "commands")
        if step == "delta":
            held: Json = {"text": commands.get(index)}
            continue_text(held, "text", field(chunk, "delta"))
            commands[index] = held["text"]
        else:
            commands[index] = field(chunk, "command")

    def _progress(self, chunk: object, subject: str, step: str) -> None:
        """Takes how far an item has got: `response.web_search_call.searching`, and the like."""
        item = self._items.get(position(field(chunk, "output_index")))
        if item is not None and "status" in item and subject == f"response.{item.get('type')}":
            item["status"] = step

    def _item(self, chunk: object) -> Json:
        return self._items.setdefault(position(field(chunk, "output_index")), {})

    def _part(self, chunk: object, place: str, index: str) -> Json:
        """Gives the part of an item that an event is about."""
        return _object(_list(self._item(chunk), place), position(field(chunk, index)))

    def response(self) -> Json:
        """Gives the response so far; an empty object when no event came."""
        if not self._items or (self._whole and items(self._head.get("output"))):
            return self._head
        output = [_settled(item) for _, item in sorted(self._items.items())]
        return {**self._head, "output": output}


def _say(holder: Json, name: str, step: str, chunk: object) -> None:
    if step == "delta":
        continue_text(holder, name, field(chunk, "delta"))
    elif (whole := text(field(chunk, name))) is not None:
        holder[name] = whole


def _list(holder: Json, name: str) -> _Parts:
    """Gives a list of an object, so that it can be filled by index."""
    held = holder.get(name)
    if not isinstance(held, _Parts):
        held = holder[name] = _Parts(enumerate(items(held)))
    return held


def _object(held: _Parts, index: int) -> Json:
    found = held.get(index)
    if not isinstance(found, dict):
        found = held[index] = {}
    return found


def _extend(holder: Json, name: str, more: Iterable[object]) -> None:
    held = None
    for value in more:
        held = _list(holder, name) if held is None else held
        held[len(held)] = value


def _settled(value: object) -> object:
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, _Parts):
        return [_settled(part) for _, part in sorted(value.items())]
    if isinstance(value, dict):
        return {name: _settled(item) for name, item in value.items()}
    return value
