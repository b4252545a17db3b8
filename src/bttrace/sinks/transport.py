"""HTTP, as far as delivery needs it.

Owns connections, proxies and deadlines, and says when there is no answer. Knows nothing of
what is sent, nor of what an answer means. A deadline is seconds of `time.monotonic`.

urllib3 bounds each reading from a socket, not their sum: a host that sends a byte every
second would hold a thread for hours. So connections of ours take a timeout as that of
everything it is for: of connecting with the TLS handshake, and of a whole answer.

Where gevent has patched, it resolves a name on a pool of threads (26.9, `_socketcommon.py`
and `threadpool.py`), which at the exit it can neither import nor start. So addresses are
looked up and connected to as Python itself does it.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - the first request would import it, and a fork find its lock held
import http.client
import io
import logging
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from ..classes import dataclass
from ..process.native import is_patched, original
from ..process.worker import is_ours

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CONNECT_TIMEOUT = 5.0  # of connecting, and of handing a block of a body to the network
_READ_TIMEOUT = 20.0  # of a whole answer
_LEAST = 0.001  # a socket takes 0 for "do not wait", and less for a mistake
Why = Literal[
    "bad-certificate",
    "bad-proxy",
    "connection-refused",
    "forbidden",
    "no-answer",
    "platform-error",
    "rejected",
    "too-many-requests",
    "unknown-host",
    "unknown-organisation",
    "unknown-project-id",
    "unreachable",
    "wrong-key",
    "wrong-url",
]
"""Why something was not delivered, for programs; messages are for people."""
_WHYS: tuple[tuple[tuple[type[BaseException], ...], Why], ...] = (  # the first that fits, of all causes
    ((urllib3.exceptions.ProxyError,), "bad-proxy"),
    ((ssl.SSLError, urllib3.exceptions.SSLError), "bad-certificate"),
    ((socket.gaierror,), "unknown-host"),
    ((ConnectionRefusedError,), "connection-refused"),
    ((TimeoutError, urllib3.exceptions.TimeoutError), "no-answer"),
)
_LOGGERS = ("connectionpool", "connection", "response", "poolmanager", "util.retry")


class Unavailable(Exception):
    """There is no answer now, or one that asks to try later. `retry_after` is seconds, if it said."""

    def __init__(self, message: str, retry_after: float | None = None, why: Why = "platform-error") -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.why: Why = why


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


class _Source(io.RawIOBase):
    """What comes from a socket until a deadline, which is the socket's timeout away."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket) -> None:
        self._raw = raw
        self._connection = connection
        self._deadline = time.monotonic() + (connection.gettimeout() or _READ_TIMEOUT)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not come in time")
        self._connection.settimeout(max(left, _LEAST))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        super().close()
        self._raw.close()


class _Answering(http.client.HTTPResponse):
    """An answer, to a proxy's tunnel too, that takes no longer in all than its socket's timeout."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Source(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    """A connection that takes no longer to make, with TLS, than its timeout for each address of its host."""

    response_class = _Answering

    def _new_conn(self) -> socket.socket:
        began = time.monotonic()
        made = self._native() if is_patched(socket, "getaddrinfo") else super()._new_conn()
        if self.timeout is not None:
            made.settimeout(max(self.timeout - (time.monotonic() - began), _LEAST))
        return made

    def _native(self) -> socket.socket:
        fault: OSError | None = None
        try:
            found = original(socket, "getaddrinfo")(self._dns_host, self.port, type=socket.SOCK_STREAM)
            for family, kind, protocol, _, address in found:
                made: socket.socket = original(socket, "socket")(family, kind, protocol)
                try:
                    for option in self.socket_options or ():
                        made.setsockopt(*option)
                    made.settimeout(self.timeout)
                    made.connect(address)
                except OSError as refused:
                    made.close()
                    fault = refused
                else:
                    return made
        except OSError as unknown:
            fault = unknown
        raise NewConnectionError(self, str(fault)) from fault

    def connect(self) -> None:
        super().connect()
        if self.sock is not None:
            self.sock.settimeout(self.timeout)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Discretion(logging.Filter):
    """Keeps what urllib3 logs of our requests out of the application's log, which is its own."""

    def filter(self, _record: logging.LogRecord) -> bool:
        return not is_ours()


_DISCRETION = _Discretion()


class Transport:
    """Connections to whichever hosts are asked for. Any thread of ours may use it."""

    def __init__(self) -> None:
        self._pools: dict[str, urllib3.PoolManager] = {}
        for name in _LOGGERS:
            logging.getLogger(f"urllib3.{name}").addFilter(_DISCRETION)

    def answer(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, deadline: float
    ) -> Answer:
        """Makes one request; raises `Unavailable` or `Misaddressed` when it gets no answer."""
        remaining = max(deadline - time.monotonic(), 0.05)
        timeout = urllib3.Timeout(
            total=remaining, connect=min(_CONNECT_TIMEOUT, remaining), read=min(_READ_TIMEOUT, remaining)
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
            why = _why(fault)
            raise Unavailable(f"{host(url)} can't be reached ({_reason(fault, why)})", why=why) from None

    def close(self) -> None:
        """Closes all connections."""
        for pool in list(self._pools.values()):
            pool.clear()
        self._pools.clear()
        for name in _LOGGERS:
            logging.getLogger(f"urllib3.{name}").removeFilter(_DISCRETION)

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}"
        pool = self._pools.get(base)
        if pool is None:
            proxy = getproxies().get(parts.scheme)
            direct = proxy is None or proxy_bypass(parts.hostname or "")
            pool = urllib3.PoolManager() if direct else urllib3.ProxyManager(str(proxy))
            pool.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
            self._pools[base] = pool
        return pool


def host(url: str) -> str:
    """Gives an address's host and port, without the secrets that an address can hold."""
    return urlsplit(url).netloc.rpartition("@")[2] or url.partition("?")[0]


def _reason(fault: Exception, why: Why) -> str:
    if why == "no-answer":
        return "there is no answer in time"
    told = next((text for cause in _causes(fault) if (text := getattr(cause, "strerror", None))), None)
    through = "through the proxy: " if why == "bad-proxy" else ""
    return f"{through}{told or type(fault).__name__}"


def _why(fault: BaseException) -> Why:
    causes = list(_causes(fault))
    found = (why for kinds, why in _WHYS if any(isinstance(cause, kinds) for cause in causes))
    return next(found, "unreachable")


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """Yields a failure, what urllib3 says was behind it, and what it was raised for."""
    found: list[object] = [fault]
    for cause in found:
        if isinstance(cause, BaseException):
            yield cause
            told = (getattr(cause, name, None) for name in ("reason", "original_error"))
            found += [one for one in (*told, cause.__cause__, cause.__context__) if one not in found]
