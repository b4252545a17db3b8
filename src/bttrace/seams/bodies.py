"""A response's body that the application reads by itself: as bytes, text or lines.

Owns the way from such *pieces* to what the SDK's own stream would have given: events are
parsed out of `text/event-stream`, any other body is kept whole. All runs on the writer
thread. A piece comes with the clock reading at which it was handed to the application.

Source of the format: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator

from ..model import Json, Path
from .likeness import Likeness, Piece, learned

_LINE_END = re.compile("\r\n|\n|\r")
_JSON = json.JSONDecoder()
_NAMED = ("thread.", "ping")  # events of which the name matters
_UNLIKE = 16  # events one after the other that none before is like, after which none is looked for
_LIMIT = 16 * 2**20  # bytes of a body that is no stream of events; a longer one is not kept


def _whole(text: str, start: int) -> tuple[Json, int] | None:
    """Gives the event that a text goes on with, and where it ends; `None` if it is not as nearly all are."""
    begin = start
    if text.startswith("event: ", start):
        begin = text.find("\n", start) + 1
        if not begin or text.startswith(_NAMED, start + 7):
            return None
    if not text.startswith("data: {", begin):
        return None
    try:
        event, end = _JSON.raw_decode(text, begin + 6)
    except (ValueError, RecursionError):
        return None
    return (event, end + 2) if text.startswith("\n\n", end) else None


class Body:
    """What was read of one body so far. `lines` says that pieces are lines without their ends.

    With `piece`, the rule of an endpoint's chunks, events that are like others come as a `Piece`.
    """

    def __init__(
        self, content_type: str, *, lines: bool, piece: Callable[[Json], Path | None] | None = None
    ) -> None:
        self._piece = piece
        self._likeness: Likeness | None = None
        self._unlike = 0
        self._is_events = content_type.startswith("text/event-stream")
        self._lines = lines
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_cut = False  # in the middle of a character
        self._unfinished = ""
        self._is_returned = False
        self._is_done = False
        self._event = ""
        self._data: list[str] = []
        self._kept: list[bytes] = []
        self._size = 0

    def content(self) -> bytes:
        """Gives a body that is no stream of events; none of one that is too long."""
        return b"".join(self._kept) if self._size <= _LIMIT else b""

    def events(self, pieces: Iterable[tuple[int, str | bytes]]) -> Iterator[tuple[int, object]]:
        """Yields the events that these pieces complete, as the SDK's stream would."""
        for at, piece in pieces:
            if not self._is_events:
                self._keep(piece)
                continue
            text = piece if isinstance(piece, str) else self._decoded(piece)
            if not (self._lines or self._unfinished or self._data or self._event):
                start = 0
                while (found := self._next(text, start)) is not None:
                    event, start = found
                    yield at, event
                text = text[start:]
            for line in [text] if self._lines else self._completed(text):
                event = self._read(line)
                if event is not None:
                    yield at, event

    def _decoded(self, piece: bytes) -> str:
        if piece.isascii() and not self._is_cut:  # nearly all are, and the decoder takes five times as long
            return str(piece, "ascii")
        text = self._decoder.decode(piece)
        self._is_cut = bool(self._decoder.getstate()[0])
        return text

    def _next(self, text: str, start: int) -> tuple[object, int] | None:
        """Gives the event that a text goes on with, if it is as nearly all are, and where it ends."""
        if self._likeness is not None:
            like = self._likeness.match(text, start)
            if like is not None:
                self._unlike = 0
                return Piece(self._likeness, like[0]), like[1]
        found = _whole(text, start)
        if found is None or self._piece is None or self._unlike > _UNLIKE:
            return found
        event, end = found
        path = self._piece(event)
        if path is not None:
            self._unlike += 1
            self._likeness = learned(text[start:end], event, path) or self._likeness
        return found

    def _keep(self, piece: str | bytes) -> None:
        content = piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece
        self._size += len(content)
        if self._size > _LIMIT:
            self._kept.clear()
        else:
            self._kept.append(content)

    def _completed(self, text: str) -> Iterator[str]:
        """Yields the lines that are complete by now; one that ends in a carriage return is."""
        if self._is_returned and text.startswith("\n"):
            text = text[1:]
        if text:
            self._is_returned = text.endswith("\r")
            *lines, self._unfinished = _LINE_END.split(self._unfinished + text)
            yield from lines

    def _read(self, line: str) -> object:
        """Takes a line; gives the event that it completes."""
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif not line:
            return self._complete()
        return None

    def _complete(self) -> object:
        event, data = self._event, "\n".join(self._data)
        self._event = ""
        self._data.clear()
        self._is_done = self._is_done or data.startswith("[DONE]")  # as OpenAI's streams end
        if self._is_done or event == "ping":  # the SDKs pass over these
            return None
        try:
            parsed = json.loads(data) if data else None
        except (ValueError, RecursionError):
            return None
        # OpenAI's assistants name their events beside the data (openai 3.52, `_streaming.py`).
        return {"event": event, "data": parsed} if event.startswith("thread.") else parsed
