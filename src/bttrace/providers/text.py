"""Text that arrives in pieces. PURE."""

from __future__ import annotations

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
