"""Requests to web applications as their servers make them, in this process, and a model that they ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults

import openai

from tests.loopback import replies
from tests.loopback.provider import ProviderServer

Message = MutableMapping[str, Any]


class Model:
    """What applications ask; each answer is what was asked."""

    def __init__(self, provider: ProviderServer) -> None:
        provider.reply(lambda request: replies.chat(request.json["messages"][0]["content"]))
        self._keys: dict[str, Any] = {"base_url": provider.openai_url, "api_key": "k", "max_retries": 0}
        self._client = openai.OpenAI(**self._keys, http_client=openai.DefaultHttpxClient(verify=False))

    def ask(self, text: str) -> str:
        said = self._client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
        return str(said.choices[0].message.content)

    async def aask(self, text: str) -> str:
        """Asks with a client of its own: each loop needs one, and none may be left open."""
        async with openai.AsyncOpenAI(
            **self._keys, http_client=openai.DefaultAsyncHttpxClient(verify=False)
        ) as client:
            said = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": text}]
            )
        return str(said.choices[0].message.content)

    def close(self) -> None:
        self._client.close()


@contextmanager
def asked(provider: ProviderServer) -> Iterator[Model]:
    model = Model(provider)
    yield model
    model.close()


def scope(path: str, method: str = "GET", *headers: tuple[str, str], kind: str = "http") -> dict[str, Any]:
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }


async def served(
    app: Any,
    path: str,
    method: str = "GET",
    *headers: tuple[str, str],
    last: Callable[[], object] | None = None,
) -> tuple[int, bytes]:
    """Makes a request as an ASGI server; gives status and body. `last` is called with the last of the body."""
    sent: list[Message] = []
    received: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not received:
            await asyncio.Event().wait()  # the client stays
        return received.pop()

    async def send(message: Message) -> None:
        sent.append(message)
        if last is not None and message["type"] == "http.response.body" and not message.get("more_body"):
            last()

    await app(scope(path, method, *headers), receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def environ(path: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    made: dict[str, Any] = {"PATH_INFO": path, "REQUEST_METHOD": method, "wsgi.file_wrapper": FileWrapper}
    setup_testing_defaults(made)
    return {**made, **{f"HTTP_{name.upper()}": value for name, value in headers.items()}}


def begun(app: Any, path: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    """Makes a request as a WSGI server; gives the status, and the body as the application gave it."""
    said: list[str] = []

    def start_response(status: str, _headers: Any, _error: Any = None) -> Callable[[bytes], object]:
        said.append(status)
        return lambda _: None

    body = app(environ(path, method, **headers), start_response)
    return int(said[0][:3]) if said else 0, body


def answered(app: Any, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    status, body = begun(app, path, method, **headers)
    try:
        whole = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    return status, whole
