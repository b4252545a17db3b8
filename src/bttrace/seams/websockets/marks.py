"""What tells a connection's events apart while they are serialised.

Owns the search for the few types that matter on the application's thread. A type is looked
for where servers put it, at the beginning or the end of a message; one that stands
elsewhere is found only by the writer, later and without the frame that received it.
"""

from __future__ import annotations

from typing import Any

from ...classes import dataclass
from ...model import Connection, Json
from ...values import field, json_object, plain

_END = 160  # bytes at either end of a message in which its type is looked for
_TYPE_FIRST = '{"type": '


@dataclass(frozen=True, slots=True)
class Marks:
    """The types of one kind of connection, in their quotes, which within a text would be escaped."""

    row: Connection
    asks: str
    pieces: bytes
    begins: bytes

    def is_piece(self, message: bytes) -> bool:
        """Tells whether a message is of the many that neither begin nor end anything."""
        return message.find(self.pieces, 0, _END) >= 0

    def begins_response(self, message: bytes) -> bool:
        """Tells whether a message begins a response."""
        return self.begins in message[:_END] + message[-_END:]

    def asking(self, message: Any) -> str | bytes | Json | None:
        """Gives a message that asks for a response, so that nobody can change it any more."""
        if isinstance(message, str):
            if message.startswith(
                _TYPE_FIRST
            ):  # as the SDK's own methods have it; audio is sent all the time
                return message if message.startswith(self.asks, len(_TYPE_FIRST)) else None
            return message if self.asks in message else None
        if isinstance(message, (bytes, bytearray, memoryview)):
            return bytes(message) if self.asks.encode() in bytes(message) else None
        return json_object(plain(message)) if field(message, "type") == self.row.asks else None


def marks(row: Connection) -> Marks:
    """Gives the marks of a kind of connection."""
    return Marks(
        row,
        f'"{row.asks}"',
        f'{row.pieces}"'.encode(),
        f'"{row.begins}"'.encode(),
    )
