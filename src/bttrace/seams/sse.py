"""Server-sent events in a text that comes in pieces, as the SDKs' streams give them.

Owns two ways to read one. Nearly every event is one line of JSON, after one with its name or none: these
are read where they stand, and those that are like one before are not even parsed. All else, such as
comments and other ends of lines, is read line by line as the format has it. For the writer thread.

Source of the format: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator

from ..model import Json, Path
from .likeness import Likeness, Piece, learned

_JSON = json.JSONDecoder()
_LINE_END = re.compile("\r\n|\n|\r")
_END = "\n\n"
_NAMED = ("thread.", "ping")  # events of which the name matters
_UNLIKE = 16  # events one after the other that none before is like, after which none is looked for


class Decoder:
    """What was read of one stream so far. `lines` says that pieces are lines without their ends.

    With `piece`, the rule of an endpoint's chunks, events that are like others come as a `Piece`.
    """

    def __init__(self, *, lines: bool, piece: Callable[[Json], Path | None] | None = None) -> None:
        self._lines = lines
        self._piece = piece
        self._likeness: Likeness | None = None
        self._unlike = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_cut = False  # in the middle of a character
        self._is_plain = not lines  # all lines have ended in a line feed alone
        self._held: list[str] = []  # of an event that is not all there
        self._unfinished = ""
        self._is_returned = False
        self._is_done = False
        self._event = ""
        self._data: list[str] = []

    def events(self, piece: str | bytes) -> Iterator[object]:
        """Yields the events that a piece completes."""
        if self._is_done:
            return
        text = piece if isinstance(piece, str) else self._decoded(piece)
        if self._is_plain and "\r" in text:
            self._is_plain = False
            text = "".join([*self._held, text])
            self._held.clear()
        if self._is_plain:
            yield from self._blocks(text)
        else:
            yield from self._heard([text] if self._lines else self._completed(text))

    def _decoded(self, piece: bytes) -> str:
        if piece.isascii() and not self._is_cut:  # nearly all are, and the decoder takes five times as long
            return str(piece, "ascii")
        text = self._utf8.decode(piece)
        self._is_cut = bool(self._utf8.getstate()[0])
        return text

    def _blocks(self, text: str) -> Iterator[object]:
        """Yields the events of blocks that end in an empty line, and keeps what comes after the last."""
        held = self._held
        if held:
            if _END not in text and not (held[-1].endswith("\n") and text.startswith("\n")):
                held.append(text)
                return
            text = "".join([*held, text])
            held.clear()
        start = 0
        while not self._is_done:
            while (found := self._next(text, start)) is not None:
                event, start = found
                yield event
            end = text.find(_END, start) + len(_END)
            if end < len(_END):
                break
            yield from self._heard(text[start : end - 1].split("\n"))
            start = end
        if start < len(text):
            held.append(text[start:])

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

    def _completed(self, text: str) -> Iterator[str]:
        """Yields the lines that are complete by now; one that ends in a carriage return is."""
        if self._is_returned and text.startswith("\n"):
            text = text[1:]
        if text:
            self._is_returned = text.endswith("\r")
            *lines, self._unfinished = _LINE_END.split(self._unfinished + text)
            yield from lines

    def _heard(self, lines: Iterator[str] | list[str]) -> Iterator[object]:
        """Yields the events that these lines complete."""
        for line in lines:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                self._data.append(value)
            elif name == "event":
                self._event = value
            elif not line:
                event = self._complete()
                if event is not None:
                    yield event

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
    return (event, end + len(_END)) if text.startswith(_END, end) else None
