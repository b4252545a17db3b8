"""The text of a stream, as the SDK reads it from its response.

Owns the keeping of that text in place of the SDK's chunk objects: a chunk is a dozen objects that the
garbage collector would have to follow for as long as the writer has not put it to the others, and
its text is one that it need not. How many chunks the SDK gave of it, the reader's generator counts.

What is replaced is a response's own `iter_bytes`, for as long as it takes the SDK to call it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..guard import guarded

if TYPE_CHECKING:
    from .calls import Call

_HELD = 65_536  # pieces, about, that all streams hold
_MOST, _LEAST = 256, 16  # that one holds
_LARGE = 16 * 1024  # bytes of a piece before which it holds no others
_PIECE = 100  # bytes of a piece besides its text


def is_plain(source: Any, stream: Any) -> bool:
    """Tells whether it is the SDK's own generator that reads a stream, and of events as text.

    What reads others' binary events is of another class (`lib/streaming` of anthropic 2.11), and what old
    SDKs have reads lines (openai before 1.15, `_streaming.py`).
    """
    decoder = type(getattr(source, "_decoder", None))
    return (
        decoder.__name__ == "SSEDecoder"
        and hasattr(decoder, "iter_bytes")
        and getattr(stream, "__module__", None) == decoder.__module__
    )


class Tap:
    """The pieces of one stream's body on their way to the SDK; its call keeps them, each after when it came.

    `read` says how many chunks its reader has got, `is_open` that the SDK has asked for what is tapped.
    It knows no call, which knows it: neither is to wait for the garbage collector.
    """

    __slots__ = ("_name", "_response", "is_open", "most", "now", "read")

    def __init__(self, streams: int, now: Callable[[], int]) -> None:
        self.now = now
        self.most = 2 * min(_MOST, max(_LEAST, _HELD // max(streams, 1)))
        self._response: Any = None  # only until the SDK has asked: the application may drop it
        self._name = ""
        self.is_open = False
        self.read = 0

    def open(self, call: Call, response: Any, name: str) -> None:
        """Stands in for what the SDK asks the response for next, a method of this name."""
        own: Any = getattr(response, name, None)
        if own is not None:
            self._response, self._name = response, name
            vars(response)[name] = self._standing_in(call, own, _WAYS[name])

    def _standing_in(
        self, call: Call, own: Callable[..., Any], tapped: Callable[[Tap, Call, Any], Any]
    ) -> Callable[..., Any]:
        def iter_bytes(*args: Any, **kwargs: Any) -> Any:
            pieces = own(*args, **kwargs)
            return pieces if _opened(self) is None else tapped(self, call, pieces)

        return iter_bytes

    def opened(self) -> bool:
        """Takes it that the SDK has asked, and leaves the response as it was."""
        self.is_open = True
        self._leave()
        return True

    def _leave(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            vars(response).pop(self._name, None)

    def see(self, call: Call, chunk: object) -> bool:
        """Looks at a chunk that its reader gets; tells whether the next is to be looked at too."""
        if self.is_open:
            if call.seeks:
                call.seek(chunk)
            return call.seeks
        if call.tap is not None:  # the SDK reads in a way that is not known: its objects are kept
            self._leave()
            call.tap = None
        call.keep(chunk, self.now())
        return True


def _hand_over(call: Call) -> None:
    """Gives the pieces held so far to the writer; the reader has got all that they complete."""
    if call.chunks:
        call.hand_over()


_opened = guarded(Tap.opened)
_handed_over = guarded(_hand_over)


def _tapped(tap: Tap, call: Call, pieces: Iterator[bytes]) -> Iterator[bytes]:
    most, now = tap.most, tap.now
    held = call.chunks
    for piece in pieces:
        if len(held) >= most or len(piece) >= _LARGE:
            _handed_over(call)
            held = call.chunks
        held.append(now())
        held.append(piece)
        yield piece


class _Tapped:
    """Passes pieces on. No asynchronous generator: one that is dropped has the loop make a task for it."""

    __slots__ = ("_call", "_most", "_now", "_pieces")

    def __init__(self, tap: Tap, call: Call, pieces: AsyncIterator[bytes]) -> None:
        self._call = call
        self._most = tap.most
        self._now = tap.now
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._pieces.__anext__()
        call = self._call
        if len(call.chunks) >= self._most or len(piece) >= _LARGE:
            _handed_over(call)
        held = call.chunks
        held.append(self._now())
        held.append(piece)
        return piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pieces, name)


_WAYS: Mapping[str, Callable[[Tap, Call, Any], Any]] = {"iter_bytes": _tapped, "aiter_bytes": _Tapped}


def weight(held: Sequence[Any]) -> int:
    """Gives the bytes of what a call holds."""
    return sum(map(len, held[1::2])) + _PIECE * len(held) // 2
