"""Base64 as it stands in JSON. PURE.

Owns the decoding of strings that may be very long, or no base64 at all.
"""

from __future__ import annotations

import binascii
import io

_PIECE = 2**20  # characters that are decoded at a time, so that other threads get their turn between
_LINE_BREAKS = ("\n", "\r")


def decoded(text: str, start: int = 0) -> bytes | None:
    """Gives what a string says from `start` on; `None` when not all of it is base64.

    Line breaks are passed over. Several pieces, each with padding of its own, are taken as
    one, because that is what the chunks of a stream add up to.
    """
    for mark in _LINE_BREAKS:
        if mark in text:
            text, start = text[start:].replace(mark, ""), 0
    out = io.BytesIO()
    while start < len(text):
        padding = text.find("=", start)
        end = len(text) if padding < 0 else padding
        while end < len(text) and text[end] == "=":
            end += 1
        if not _decode(text, start, end, out):
            return None
        start = end
    return out.getvalue() or None


def whole(text: str) -> str:
    """Gives base64 that was encoded piece by piece as if it had been encoded at once."""
    data = decoded(text) if "=" in text.rstrip("=") else None
    return text if data is None else binascii.b2a_base64(data, newline=False).decode("ascii")


def _decode(text: str, start: int, end: int, out: io.BytesIO) -> bool:
    """Decodes a stretch without padding inside; tells whether all of it was base64.

    `a2b_base64` passes over what is no base64, so that what it gives is too short then.
    """
    for at in range(start, end, _PIECE):
        piece = text[at : min(at + _PIECE, end)]
        padding = len(piece) - len(piece.rstrip("="))
        try:
            data = binascii.a2b_base64(piece)
        except ValueError:  # not ASCII, or an impossible length
            return False
        if padding > 2 or len(data) != len(piece) // 4 * 3 - padding:  # noqa: PLR2004 - bytes of the last four characters
            return False
        out.write(data)
    return True
