"""Objects that arrive as deltas, put together. PURE.

Owns the rules by which OpenAI's APIs, and the hosts that imitate them, split an object:
long texts come in pieces, list items say their index, all else is sent whole.
"""

from __future__ import annotations

from ...model import Json
from ...spans.base64_text import whole
from ...values import field, members, number, plain
from ..text import Text

# Strings that come in pieces. Every other string of a delta is sent whole, some of them again and again.
_PIECEWISE = frozenset(
    {
        "arguments",
        "content",
        "data",
        "input",
        "logs",
        "reasoning",
        "reasoning_content",
        "refusal",
        "summary",
        "text",
        "transcript",
        "value",
    }
)
# Lists whose items have an index in deltas alone (openai 3.52, types/chat, types/beta/threads).
_UNINDEXED = frozenset({"annotations", "content", "outputs", "tool_calls"})


class Parts:
    """A message, or a part of one, put together from its deltas."""

    __slots__ = ("_fields", "_lists")

    def __init__(self) -> None:
        self._fields: dict[str, object] = {}
        self._lists: dict[str, dict[object, Parts | object]] = {}

    def add(self, delta: object) -> None:
        """Takes the next delta, or the whole."""
        fields = self._fields
        for name, value in members(delta).items():
            if type(value) is str and name in _PIECEWISE:
                held = fields.get(name)
                if isinstance(held, Text):
                    held.add(value)
                else:
                    fields[name] = Text(value)
            elif isinstance(value, list):
                self._extend(name, value)
            elif value is None:
                fields.setdefault(name, None)
            elif isinstance(value, (str, int, float)):
                # Some hosts send a name or an id once and repeat it empty.
                if value != "" or name not in fields:
                    fields[name] = value
            else:
                held = fields.get(name)
                nested = held if isinstance(held, Parts) else Parts()
                nested.add(value)
                fields[name] = nested

    def _extend(self, name: str, values: list[object]) -> None:
        """Merges list items that say their index; appends the others."""
        entries = self._lists.setdefault(name, {})
        for value in values:
            index = number(field(value, "index"))  # together 3.1 (types/tool_choice.py) makes it a float
            if index is None:
                entries[("appended", len(entries))] = plain(value)
                continue
            entry = entries.get(index)
            if not isinstance(entry, Parts):
                entry = entries[index] = Parts()
            entry.add(value)

    def plain(self, *, keep_index: bool = True) -> Json:
        """Gives the object so far."""
        whole: Json = {}
        for name, value in self._fields.items():
            if name == "index" and not keep_index:
                continue
            whole[name] = _settled(name, value)
        for name, entries in self._lists.items():
            merged = [
                entry.plain(keep_index=name not in _UNINDEXED) if isinstance(entry, Parts) else entry
                for entry in entries.values()
            ]
            # Mistral sends its thinking as a list, and then the answer as text, both as `content`.
            said = whole.get(name)
            as_part = [{"type": "text", "text": said}] if said and isinstance(said, str) else []
            whole[name] = [*merged, *as_part]
        return whole


def _settled(name: str, value: object) -> object:
    if isinstance(value, Text):
        return whole(str(value)) if name == "data" else str(value)
    return value.plain() if isinstance(value, Parts) else value
