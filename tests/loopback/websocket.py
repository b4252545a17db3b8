"""A websocket server on loopback that says what a test has it say.

It owns the sockets and threads, and remembers each message that came, byte for byte. It must not know what a message means.
"""

import json
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

if TYPE_CHECKING:
    from typing_extensions import Self

Event = dict[str, Any]


class Peer:
    """One connection, as the server's script uses it."""

    def __init__(self, connection: ServerConnection, messages: list[str | bytes]) -> None:
        self._connection = connection
        self._messages = messages

    def say(self, *events: Event) -> None:
        """Sends events, each as a message."""
        for event in events:
            self._connection.send(json.dumps(event, separators=(",", ":")))

    def hear(self, kind: str = "response.create") -> Event:
        """Gives the next event of a type; passes over those before it."""
        while True:
            message = self._connection.recv()
            self._messages.append(message)
            event: Event = json.loads(message)
            if event["type"] == kind:
                return event

    def wait(self) -> None:
        """Reads until the client closes."""
        while True:
            self._messages.append(self._connection.recv())

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes the connection in the ordinary way."""
        self._connection.close(code, reason)

    def cut(self) -> None:
        """Ends the connection without a word."""
        try:
            self._connection.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended


Script = Callable[[Peer], None]


class WebsocketServer:
    """Listens on 127.0.0.1 until it exits, which ends every connection and thread of its own.

    Each connection runs the script to its end, then waits for the client to close.

    `messages` is what came on all connections, `paths` are those they were made to.
    """

    def __init__(self, script: Script) -> None:
        self.messages: list[str | bytes] = []
        self.paths: list[str] = []
        self._script = script
        self._serving: dict[threading.Thread, Peer] = {}
        self._server: Server = serve(self._serve, "127.0.0.1", 0, compression=None, max_size=None)
        self.url = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, name="websocket", daemon=True)

    def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        peer = self._serving[threading.current_thread()] = Peer(connection, self.messages)
        try:
            self._script(peer)
            peer.wait()
        except ConnectionClosed:
            return

    def __enter__(self) -> "Self":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        for thread, peer in self._serving.items():
            peer.cut()
            thread.join(5)
        self._thread.join(5)
