"""Clients whose transport answers at once with what they were made with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ._response import Request, Response, Url
from ._streaming import AsyncStream, Stream

_HEADERS = {"content-type": "application/json", "x-request-id": "req_bench"}
_URL = Url("api.openai.com")


class FinalRequestOptions:
    """What a resource asks of the client."""

    __slots__ = ("method", "url")

    def __init__(self, method: str, url: str) -> None:
        self.method = method
        self.url = url


class BaseClient:
    """What both clients share. `question` and `answer` are bodies of JSON, `pieces` that of a stream.

    There is a ready-made chunk for each event of the stream, and `each` of them in a piece.
    """

    def __init__(
        self,
        question: bytes,
        answer: bytes,
        chunks: Sequence[object] = (),
        pieces: Sequence[bytes] = (),
        each: int = 1,
    ) -> None:
        self._question = question
        self._answer = answer
        self._pieces = pieces
        self.chunks = chunks
        self.each = each

    def _build_request(self, _options: FinalRequestOptions, *, retries_taken: int = 0) -> Request:
        del retries_taken
        return Request(_URL, self._question)

    def _send(self, request: Request, *, stream: bool) -> Response:
        return Response(request, _HEADERS, b"" if stream else self._answer, self._pieces if stream else None)


class SyncAPIClient(BaseClient):
    """A client that waits for its answers."""

    def post(self, path: str, *, cast_to: type, stream: bool = False) -> Response | Stream:
        """Sends a request and gives its response."""
        options = FinalRequestOptions("post", path)
        return self.request(cast_to, options, stream=stream)

    def request(
        self, cast_to: type, options: FinalRequestOptions, *, stream: bool = False
    ) -> Response | Stream:
        """Sends a request, once: this stand-in never fails."""
        request = self._build_request(options, retries_taken=0)
        response = self._send(request, stream=stream)
        return self._process_response(
            cast_to=cast_to, options=options, response=response, stream=stream, retries_taken=0
        )

    def _process_response(
        self,
        *,
        cast_to: type,
        options: FinalRequestOptions,
        response: Response,
        stream: bool,
        retries_taken: int,
    ) -> Response | Stream:
        del cast_to, options, retries_taken
        return Stream(response, self.chunks, self.each) if stream else response


class AsyncAPIClient(BaseClient):
    """A client that is awaited."""

    async def post(self, path: str, *, cast_to: type, stream: bool = False) -> Response | AsyncStream:
        """Sends a request and gives its response."""
        options = FinalRequestOptions("post", path)
        return await self.request(cast_to, options, stream=stream)

    async def request(
        self, cast_to: type, options: FinalRequestOptions, *, stream: bool = False
    ) -> Response | AsyncStream:
        """Sends a request, once: this stand-in never fails."""
        request = self._build_request(options, retries_taken=0)
        response = self._send(request, stream=stream)
        return await self._process_response(
            cast_to=cast_to, options=options, response=response, stream=stream, retries_taken=0
        )

    async def _process_response(
        self,
        *,
        cast_to: type,
        options: FinalRequestOptions,
        response: Response,
        stream: bool,
        retries_taken: int,
    ) -> Response | AsyncStream:
        del cast_to, options, retries_taken
        return AsyncStream(response, self.chunks, self.each) if stream else response


def required(create: Callable[..., object]) -> Callable[..., object]:
    """Puts the frame around a resource's method that checks its arguments, as the SDKs do."""

    def checked(*args: object, **kwargs: object) -> object:
        return create(*args, **kwargs)

    return checked


def _create(client: SyncAPIClient | AsyncAPIClient, *, stream: bool = False) -> object:
    return client.post("/chat/completions", cast_to=dict, stream=stream)


create = required(_create)
