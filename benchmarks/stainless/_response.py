"""Requests, responses, and what an SDK wraps around a raw one.

`Request` and `Response` have what a seam reads of httpx's, ready made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence


class Url:
    """An address."""

    __slots__ = ("host", "path", "port")

    def __init__(self, host: str) -> None:
        self.host = host
        self.port: int | None = None
        self.path = "/v1/chat/completions"


class Headers:
    """The headers of a request, as they are sent."""

    __slots__ = ("raw",)

    def __init__(self) -> None:
        self.raw = [(b"host", b"api.openai.com"), (b"content-type", b"application/json")]


class Request:
    """A request with its body."""

    __slots__ = ("content", "headers", "url")

    def __init__(self, url: Url, content: bytes) -> None:
        self.url = url
        self.headers = _HEADERS
        self.content = content


_HEADERS = Headers()


class Response:
    """A response whose body is there, or is a stream still to be read."""

    def __init__(
        self, request: Request, headers: dict[str, str], content: bytes, pieces: Sequence[bytes] | None
    ) -> None:
        self.request = request
        self._pieces = pieces or ()
        self.headers = headers
        self.content = content
        self.is_closed = pieces is None
        self.status_code = 200
        self.extensions: dict[str, object] = {}

    @property
    def is_stream_consumed(self) -> bool:
        """Whether the stream was read to its end."""
        return self.is_closed

    def iter_bytes(self) -> Iterator[bytes]:
        """Yields a body that is a stream."""
        yield from self._pieces

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Yields a body that is a stream."""
        for piece in self._pieces:
            yield piece

    def close(self) -> None:
        """Lets go of the connection."""
        self.is_closed = True


class APIResponse:
    """What `with_raw_response` gives."""

    def __init__(self, http_response: Response) -> None:
        self.http_response = http_response

    def close(self) -> None:
        """Closes the response."""
        self.http_response.close()

    def iter_bytes(self) -> Iterator[bytes]:
        """Yields the body."""
        yield self.http_response.content

    def iter_text(self) -> Iterator[str]:
        """Yields the body, decoded."""
        yield self.http_response.content.decode()

    def iter_lines(self) -> Iterator[str]:
        """Yields the lines of the body."""
        yield from self.http_response.content.decode().splitlines()


class AsyncAPIResponse:
    """What `with_raw_response` gives on an asynchronous client."""

    def __init__(self, http_response: Response) -> None:
        self.http_response = http_response

    async def close(self) -> None:
        """Closes the response."""
        self.http_response.close()

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """Yields the body."""
        yield self.http_response.content

    async def iter_text(self) -> AsyncIterator[str]:
        """Yields the body, decoded."""
        yield self.http_response.content.decode()

    async def iter_lines(self) -> AsyncIterator[str]:
        """Yields the lines of the body."""
        for line in self.http_response.content.decode().splitlines():
            yield line
