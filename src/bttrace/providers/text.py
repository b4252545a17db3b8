"""Text that arrives in pieces. PURE."""

from __future__ import annotations

import base64
import re
from binascii import Error

from ..model import Json

_PIECES = 512


class Text:
    """Joins many small strings while holding little more than their characters.

    A list of the pieces alone would hold some 60 bytes for each, many times the text of
    a chunk; so they are joined now and then.
    """

    __slots__ = ("_joined", "_pieces")

    def __init__(self, first: str = "") -> None:
        self._joined: list[str] = []
        self._pieces: list[str] = [first] if first else []

    def add(self, piece: str) -> None:
        """Appends a piece."""
        pieces = self._pieces
        pieces.append(piece)
        if len(pieces) >= _PIECES:
            self._joined.append("".join(pieces))
            pieces.clear()

    def __str__(self) -> str:
        return "".join([*self._joined, *self._pieces])

    def __bool__(self) -> bool:
        return bool(self._joined) or any(self._pieces)


def continue_text(holder: Json, name: str, piece: object) -> None:
    """Appends a piece to the text of a field; one that is no text changes nothing."""
    if not isinstance(piece, str):
        return
    held = holder.get(name)
    if not isinstance(held, Text):
        held = holder[name] = Text(held if isinstance(held, str) else "")
    held.add(piece)


def whole_base64(pieces: str) -> str:
    """Gives base64 that was encoded piece by piece as if it had been encoded at once."""
    content = content_of(pieces) if "=" in pieces.rstrip("=") else None
    return pieces if content is None else base64.b64encode(content).decode("ascii")


def content_of(encoded: str) -> bytes | None:
    """Gives the bytes of base64, also of several pieces in a row; `None` for what is none."""
    try:
        return b"".join(base64.b64decode(piece, validate=True) for piece in re.findall(r"[^=]+=*", encoded))
    except (Error, ValueError):
        return None
