"""A provider on loopback: speaks the wire protocols of OpenAI and Anthropic by serving scripted replies.

It owns the script and the record of what was asked. It must not know what a reply says: `replies` builds those.
"""

import json
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from tests.loopback.listener import Line, Listener, Request
from tests.loopback.reply import JSON, Reply, Script

if TYPE_CHECKING:
    from typing_extensions import Self


class ProviderServer:
    """Listens from its construction; as a context manager, closes at the end of the block.

    `requests` holds all that arrived, in the order in which their bodies were complete; each one's `sent_ns` has when its
    events were sent.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Request] = []
        self._scripts: list[Script] = []
        self._routes: dict[str, list[Script]] = {}
        self._lock = threading.Lock()
        self._listener = Listener(self._answer, port)
        self.url = self._listener.url

    @property
    def openai_url(self) -> str:
        """The base URL for OpenAI's SDK."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """The base URL for Anthropic's SDK."""
        return self.url

    @property
    def connections(self) -> int:
        """How many connections are open as the server sees it."""
        return self._listener.connections

    def env(self) -> dict[str, str]:
        """The variables that lead a child process here."""
        return {
            "OPENAI_BASE_URL": self.openai_url,
            "OPENAI_API_KEY": "loopback-openai-key",
            "ANTHROPIC_BASE_URL": self.anthropic_url,
            "ANTHROPIC_API_KEY": "loopback-anthropic-key",
        }

    def reply(self, *replies: Script) -> None:
        """Queues replies for every path without its own; the last one of the queue repeats for ever."""
        with self._lock:
            self._scripts.extend(replies)

    def route(self, path: str, *replies: Script) -> None:
        """Queues replies for one path, such as "/v1/messages", whatever its query; the last one repeats for ever."""
        with self._lock:
            self._routes.setdefault(path, []).extend(replies)

    def close(self) -> None:
        """Ends every connection, and stops listening."""
        self._listener.close()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, request: Request, line: Line) -> None:
        with self._lock:
            self.requests.append(request)
            queue = self._routes.get(request.route, self._scripts)
            script = _unscripted if not queue else queue[0] if len(queue) == 1 else queue.pop(0)
        reply = script if isinstance(script, Reply) else script(request)
        line.pause(reply.wait)
        if reply.events:
            _stream(reply, line)
        elif not _cut(reply, 0, line):
            line.send(reply.status, reply.body, reply.headers, reply.content_length)


def _stream(reply: Reply, line: Line) -> None:
    line.open_chunks(reply.status, reply.headers)
    for position, event in enumerate(reply.events):
        if _cut(reply, position, line):
            return
        line.pause(reply.gap if position else reply.first_wait)
        line.chunk(event)
    if not _cut(reply, len(reply.events), line):
        line.end_chunks()


def _cut(reply: Reply, sent: int, line: Line) -> bool:
    if reply.drop_after == sent:
        line.drop()
    elif reply.reset_after == sent:
        line.reset()
    else:
        return False
    return True


def _unscripted(request: Request) -> Reply:
    # A 404, because both SDKs would try a 5xx again and hide what is wrong with the test.
    error = {
        "type": "not_found_error",
        "message": f"no reply is scripted for {request.method} {request.path}",
    }
    return Reply(status=404, headers=JSON, body=json.dumps({"type": "error", "error": error}).encode())
