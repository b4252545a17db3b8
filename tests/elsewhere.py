"""Calling any host by its own name, while the loopback provider answers."""

from __future__ import annotations

from typing import Any

import httpx2

from tests.loopback.provider import ProviderServer


class ToLoopback(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Leads every request to one address, and leaves the request itself as it was."""

    def __init__(self, provider: ProviderServer) -> None:
        self.url = httpx2.URL(provider.url)
        self.sync, self.asynchronous = (
            httpx2.HTTPTransport(verify=False),
            httpx2.AsyncHTTPTransport(verify=False),
        )

    def _led(self, request: httpx2.Request) -> httpx2.Request:
        url = request.url.copy_with(scheme="http", host=self.url.host, port=self.url.port)
        stream: Any = request.stream
        return httpx2.Request(request.method, url, headers=request.headers, stream=stream)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self.sync.handle_request(self._led(request))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self.asynchronous.handle_async_request(self._led(request))

    def close(self) -> None:
        self.sync.close()

    async def aclose(self) -> None:
        await self.asynchronous.aclose()
