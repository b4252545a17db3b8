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
from collections.abc import Iterable, Iterator

Piece = tuple[int, str | bytes]

_LINE_END = re.compile("\r\n|\n|\r")
_LIMIT = 16 * 2**20  # bytes of a body that is no stream of events; a longer one is not kept


class Body:
    """What was read of one body so far. `lines` says that pieces are lines without their ends."""

    def __init__(self, content_type: str, *, lines: bool) -> None:
        self._is_events = content_type.startswith("text/event-stream")
        self._lines = lines
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
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

    def events(self, pieces: Iterable[Piece]) -> Iterator[tuple[int, object]]:
        """Yields the events that these pieces complete, as the SDK's stream would."""
        for at, piece in pieces:
            if not self._is_events:
                self._keep(piece)
                continue
            text = piece if isinstance(piece, str) else self._decoder.decode(piece)
            for line in [text] if self._lines else self._completed(text):
                event = self._read(line)
                if event is not None:
                    yield at, event

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
