"""Streams of ready-made chunks, which come as events in the pieces of a response."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice

from ._response import Response


class SSEDecoder:
    """Gives a ready-made chunk for every event; there are `each` in a piece."""

    def __init__(self, chunks: Sequence[object], each: int) -> None:
        self._chunks = chunks
        self._each = each

    def iter_bytes(self, pieces: Iterator[bytes]) -> Iterator[object]:
        """Yields the chunks as the pieces come."""
        chunks = iter(self._chunks)
        for _ in pieces:
            yield from islice(chunks, self._each)

    async def aiter_bytes(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[object]:
        """Yields the chunks as the pieces come."""
        chunks = iter(self._chunks)
        async for _ in pieces:
            for chunk in islice(chunks, self._each):
                yield chunk


class Stream:
    """Reads chunks; the class-level generator is behind every way to do so."""

    def __init__(self, response: Response, chunks: Sequence[object], each: int) -> None:
        self.response = response
        self._decoder = SSEDecoder(chunks, each)
        self._iterator = self.__stream__()

    def __next__(self) -> object:
        return self._iterator.__next__()

    def __iter__(self) -> Iterator[object]:
        for item in self._iterator:  # noqa: UP028 - as openai 3.52 (`_streaming.py`) has it
            yield item

    def __stream__(self) -> Iterator[object]:
        try:
            for chunk in self._decoder.iter_bytes(self.response.iter_bytes()):  # noqa: UP028 - the SDK's has a body
                yield chunk
        finally:
            self.response.close()

    def close(self) -> None:
        """Closes the response."""
        self.response.close()


class AsyncStream:
    """Reads chunks asynchronously."""

    def __init__(self, response: Response, chunks: Sequence[object], each: int) -> None:
        self.response = response
        self._decoder = SSEDecoder(chunks, each)
        self._iterator = self.__stream__()

    async def __anext__(self) -> object:
        return await self._iterator.__anext__()

    async def __aiter__(self) -> AsyncIterator[object]:
        async for item in self._iterator:
            yield item

    async def __stream__(self) -> AsyncIterator[object]:
        try:
            async for chunk in self._decoder.aiter_bytes(self.response.aiter_bytes()):
                yield chunk
        finally:
            self.response.close()

    async def close(self) -> None:
        """Closes the response."""
        self.response.close()
