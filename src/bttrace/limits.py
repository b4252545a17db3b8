"""What ids, names, tags and metadata of the user's may be, wherever they come from. PURE.

Owns the limits and the words in which a fault is told. Light: the settings are checked with it
when a Python starts. Source of the lengths: OpenRouter's `user` and `session_id`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

USER_ID = 128  # characters
SESSION_ID = 256
NAME = 256  # of a span, a trace or a tag
_SHOWN = 200  # of a value, in a message


def checked(value: object, most: int) -> tuple[str | None, str]:
    """Gives an id or a name as text, and a fault, if it is none. Blank is absent."""
    text = str(value).strip() if value is not None else ""
    if len(text) > most:
        return None, f"it has {len(text):,} characters, and {most} are allowed"
    if any(letter < " " or "\x7f" <= letter <= "\x9f" for letter in text):
        return None, "it holds control characters"
    return text or None, ""


def checked_tags(values: Iterable[object]) -> tuple[tuple[str, ...], list[str]]:
    """Gives the tags that can be taken, each once, and a fault for every other."""
    tags: dict[str, None] = {}
    faults = []
    for value in values:
        tag, fault = checked(value, NAME)
        if fault:
            faults.append(f"the tag {shown(value)}: {fault}")
        elif tag is not None:
            tags[tag] = None
    return tuple(tags), faults


def shown(value: object) -> str:
    """Gives a value as a message shows it."""
    text = repr(value[: _SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 10]}...{text[-1]}"
