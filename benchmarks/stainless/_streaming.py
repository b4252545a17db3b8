"""Streams of ready-made chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from ._response import Response


class Stream:
    """Reads chunks; the class-level generator is behind every way to do so."""

    def __init__(self, response: Response, chunks: Sequence[object]) -> None:
        self.response = response
        self._chunks = chunks
        self._iterator = self.__stream__()

    def __next__(self) -> object:
        return self._iterator.__next__()

    def __iter__(self) -> Iterator[object]:
        for item in self._iterator:  # noqa: UP028 - as openai 3.52 (`_streaming.py`) has it
            yield item

    def __stream__(self) -> Iterator[object]:
        try:
            for chunk in self._chunks:  # noqa: UP028 - the SDK's own has a body here
                yield chunk
        finally:
            self.response.close()

    def close(self) -> None:
        """Closes the response."""
        self.response.close()


class AsyncStream:
    """Reads chunks asynchronously."""

    def __init__(self, response: Response, chunks: Sequence[object]) -> None:
        self.response = response
        self._chunks = chunks
        self._iterator = self.__stream__()

    async def __anext__(self) -> object:
        return await self._iterator.__anext__()

    async def __aiter__(self) -> AsyncIterator[object]:
        async for item in self._iterator:
            yield item

    async def __stream__(self) -> AsyncIterator[object]:
        try:
            for chunk in self._chunks:
                yield chunk
        finally:
            self.response.close()

    async def close(self) -> None:
        """Closes the response."""
        self.response.close()
