"""The HTTP/1.1 listener under both loopback servers.

It owns sockets, threads and shutdown. It must not know what any path means: each request, read to its end, goes to one
`Answer` function together with the `Line` that it came on.

Line: the open connection of one request, with the ways to answer on it, the unkind ones included.
"""

import json
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(slots=True)
class Request:
    """One request as it arrived, and what was done about it.

    `path` includes the query. `at_ns` and `sent_ns` are readings of `time.perf_counter_ns`: when the body was read to its
    end, and when each streamed event was handed to the kernel. `status` is None until a status line was sent.
    """

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    at_ns: int
    status: int | None = None
    sent_ns: list[int] = field(default_factory=list)

    @property
    def route(self) -> str:
        """The path without its query."""
        return urlsplit(self.path).path

    @property
    def query(self) -> dict[str, str]:
        """The query's fields; of a repeated field, the last."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}

    @property
    def json(self) -> Any:
        """The parsed body; raises ValueError if it is not JSON."""
        return strict_json(self.body)

    def header(self, name: str) -> str | None:
        """The first header of that name in any case, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def strict_json(data: bytes) -> object:
    """The parsed data; raises ValueError for all that JSON does not know, NaN and Infinity included."""
    return json.loads(data, parse_constant=_refused)


def _refused(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


class Line:
    """The open connection of one request. Once `ended`, it carries no further request."""

    def __init__(self, connection: socket.socket, request: Request, closing: threading.Event) -> None:
        self.ended = request.header("connection") == "close"
        self._connection = connection
        self._request = request
        self._closing = closing

    def send(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        content_length: int | None = None,
        drip: float = 0.0,
        drip_head: float = 0.0,
    ) -> None:
        """Answers with one whole body.

        A `content_length` over the body's own ends the connection short of it. `drip` is the seconds before each byte
        of the body, `drip_head` before each byte of the answer.
        """
        length = len(body) if content_length is None else content_length
        head = self._head(status, {**(headers or {}), "content-length": str(length)})
        at_once, slowly = (head, body) if drip else (b"", head + body)
        self._connection.sendall(at_once)
        if pause := drip or drip_head:
            for position in range(len(slowly)):
                self.pause(pause)
                self._connection.sendall(slowly[position : position + 1])
        else:
            self._connection.sendall(slowly)
        self.ended = self.ended or length != len(body)

    def open_chunks(self, status: int, headers: Mapping[str, str]) -> None:
        """Sends the head of an answer whose length is not known yet."""
        self._connection.sendall(self._head(status, {**headers, "transfer-encoding": "chunked"}))

    def chunk(self, data: bytes) -> None:
        """Sends one chunk at once, and notes when."""
        self._request.sent_ns.append(
            time.perf_counter_ns()
        )  # before, because the client may be done before we are
        self._connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def end_chunks(self) -> None:
        """Sends the terminating chunk."""
        self._connection.sendall(b"0\r\n\r\n")

    def pause(self, seconds: float) -> None:
        """Waits; raises ConnectionAbortedError as soon as the listener closes."""
        if self._closing.wait(seconds):
            raise ConnectionAbortedError("the listener is closing")

    def hang(self) -> None:
        """Never answers: holds the connection until the listener closes."""
        self._closing.wait()
        self.ended = True

    def drop(self) -> None:
        """Closes the connection in the ordinary way, whatever the client still expects."""
        self.ended = True

    def reset(self) -> None:
        """Closes the connection with a TCP reset."""
        self.ended = True
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # socket.close() would wait for the handler's file objects, and a shutdown would send a FIN first.
        os.close(self._connection.detach())

    def _head(self, status: int, headers: Mapping[str, str]) -> bytes:
        self._request.status = status
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


Answer = Callable[[Request, Line], None]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def answer(self) -> None:
        """Reads one request to its end and passes it on; one whose sender went away meanwhile is none."""
        body = self._body()
        if len(body) < int(self.headers.get("content-length", 0)):
            self.close_connection = True
            return
        headers = list(self.headers.items())
        request = Request(self.command, self.path, headers, body, time.perf_counter_ns())
        line = Line(self.connection, request, self.server.closing)
        try:
            self.server.answer(request, line)
        except ConnectionError:
            line.drop()
        self.close_connection = line.ended

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def log_message(self, *args: object) -> None:
        """Writes nothing: the tests read `requests`."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, answer: Answer) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answer = answer
        self.closing = threading.Event()
        self.open: set[socket.socket] = set()

    def process_request(self, request: object, client_address: object) -> None:
        """Remembers the connection, so that closing can end it."""
        assert isinstance(request, socket.socket)
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: object) -> None:
        """Forgets the connection and closes it."""
        assert isinstance(request, socket.socket)
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Lets a client go that went away; shows any other failure, which is a fault of the test's server."""
        if not self.closing.is_set() and not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Listener:
    """Listens on 127.0.0.1 from its construction until `close`, one daemon thread a connection."""

    def __init__(self, answer: Answer, port: int = 0) -> None:
        self._server = _Server(port, answer)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="loopback", daemon=True
        )
        self._thread.start()

    @property
    def connections(self) -> int:
        """How many connections are open as the server sees it."""
        return len(self._server.open)

    def close(self) -> None:
        """Stops listening and ends every connection, hanging ones too. Closing twice is harmless."""
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._thread.join(5)
