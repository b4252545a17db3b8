"""HTTP, as far as delivery needs it.

Owns connections, proxies and deadlines, and says when there is no answer. Knows nothing of
what is sent, nor of what an answer means. A deadline is seconds of `time.monotonic`.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - the first request would import it, and a fork find its lock held
import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

_CONNECT_TIMEOUT = 5.0  # of connecting, and of handing a block of a body to the network
_READ_TIMEOUT = 20.0


class Unavailable(Exception):
    """There is no answer now, or one that asks to try later. `retry_after` is seconds, if it said."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Misaddressed(Exception):
    """There can be no answer, because the address is none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _Body(io.BytesIO):
    """A body that is sent in blocks, no longer than until its deadline. It shares the bytes it is given."""

    def __init__(self, data: bytes, deadline: float) -> None:
        super().__init__(data)
        self._deadline = deadline

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self._deadline:
            raise TimeoutError("the body could not be sent in time")
        return super().read(size)


class Transport:
    """Connections to whichever hosts are asked for. Any thread may use it."""

    def __init__(self) -> None:
        self._pools: dict[str, urllib3.PoolManager] = {}

    def answer(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, deadline: float
    ) -> Answer:
        """Makes one request; raises `Unavailable` or `Misaddressed` when it gets no answer."""
        remaining = max(deadline - time.monotonic(), 0.05)
        timeout = urllib3.Timeout(
            connect=min(_CONNECT_TIMEOUT, remaining), read=min(_READ_TIMEOUT, remaining)
        )
        # With its length told, or else a body in blocks is sent in a way that object stores do not take.
        length = {} if body is None else {"Content-Length": str(len(body))}
        try:
            response = self._pool(url).request(
                method,
                url,
                body=None if body is None else _Body(body, deadline),
                headers={**headers, **length},
                timeout=timeout,
                retries=False,
                redirect=False,
            )
            return Answer(response.status, response.headers, response.data)
        except urllib3.exceptions.LocationValueError:
            raise Misaddressed(url) from None
        except urllib3.exceptions.HTTPError as fault:
            raise Unavailable(f"{host(url)} can't be reached ({_reason(fault)})") from None

    def close(self) -> None:
        """Closes all connections."""
        for pool in list(self._pools.values()):
            pool.clear()
        self._pools.clear()

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}"
        pool = self._pools.get(base)
        if pool is None:
            proxy = getproxies().get(parts.scheme)
            direct = proxy is None or proxy_bypass(parts.hostname or "")
            pool = urllib3.PoolManager() if direct else urllib3.ProxyManager(str(proxy))
            self._pools[base] = pool
        return pool


def host(url: str) -> str:
    """Gives an address's host and port, without the secrets that an address can hold."""
    return urlsplit(url).netloc.rpartition("@")[2] or url.partition("?")[0]


def _reason(fault: Exception) -> str:
    inner: BaseException = getattr(fault, "reason", None) or fault
    cause = inner.__cause__ or inner
    return getattr(cause, "strerror", None) or type(inner).__name__
