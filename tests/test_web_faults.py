"""Faults of our own never reach a request or a task: every function that they run through is made to raise."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import bttrace
from tests import test_never_raises
from tests.loopback.provider import ProviderServer
from tests.requests_in_process import Model, answered, asked, served
from tests.test_never_raises import _our_faults_are_ours, _traced_with_a_fault

pytest.importorskip("celery")
pytest.importorskip("flask")
pytest.importorskip("starlette")
import celery
import flask
from celery import signals
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

__all__ = ["_our_faults_are_ours"]

# The application's own code runs through these, and they do nothing but pass it on and call guarded functions.
PASSING_ON = {
    "Asgi.call",
    "Asgi._answered",
    "Wsgi.call",
    "Body.__iter__",
    "Body.__next__",
    "Body.close",
    "Body.__getattr__",
}
ROOMS = (
    "bttrace.executions", "bttrace.surroundings.traceparent",
    *(f"bttrace.seams.{name}:" for name in (
        "asgi", "entrances", "errands", "frameworks", "incoming", "outgoing", "queues", "requests", "wsgi",
    )),
)  # fmt: skip
FUNCTIONS = {
    name: function
    for name, function in test_never_raises.FUNCTIONS.items()
    if name.startswith(ROOMS) and name.rpartition(":")[2] not in PASSING_ON
}
ABOVE = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
OURS = ("baggage", "braintrust.parent=project_name%3AMy%20Project")
BAD = ("traceparent", "none")


def program(model: Model) -> list[Any]:
    """What clients see of two applications, and what queues tasks of its tasks."""
    return [*asyncio.run(asynchronous(model)), *synchronous(model), *queued(model)]


async def asynchronous(model: Model) -> list[Any]:
    async def one(request: Request) -> PlainTextResponse:
        assert isinstance(bttrace.headers(), dict)
        return PlainTextResponse(await asyncio.to_thread(model.ask, request.path_params["key"]))

    async def stream(_: Request) -> StreamingResponse:
        return StreamingResponse(model.ask(text) for text in "ab")

    async def broken(_: Request) -> PlainTextResponse:
        raise ValueError(model.ask("broken"))

    app = Starlette(routes=[Route("/one/{key}", one), Route("/stream", stream), Route("/broken", broken)])
    seen: list[Any] = [
        await served(app, "/one/a", "GET", ABOVE, OURS),
        await served(app, "/one/b", "GET", BAD),
        await served(app, "/stream"),
        await served(app, "/nowhere"),
    ]
    try:
        await served(app, "/broken")
    except ValueError as error:
        seen.append(repr(error))
    return seen


def synchronous(model: Model) -> list[Any]:
    app = flask.Flask("an application")
    app.logger.disabled = True

    def broken() -> str:
        raise ValueError(model.ask("broken"))

    def one(key: str) -> str:
        return model.ask(key)

    def stream() -> Any:
        return flask.Response(model.ask(text) for text in "ab")

    app.add_url_rule("/one/<key>", view_func=one)
    app.add_url_rule("/stream", view_func=stream)
    app.add_url_rule("/broken", view_func=broken)
    paths = ("/one/a", "/stream", "/broken", "/nowhere")
    return [answered(app, path, traceparent=ABOVE[1], baggage=OURS[1]) for path in paths]


def queued(model: Model) -> list[Any]:
    app = celery.Celery("an application", broker="memory://", set_as_current=False)

    def fail() -> None:
        raise ValueError("no")

    def ask(text: str) -> str:
        return model.ask(text)

    task, failing = app.task(ask, name="ask"), app.task(fail, name="fail")
    headers = dict([ABOVE, OURS])
    results = [task.apply(("a",), headers=headers), failing.apply(), task.apply(("b",))]
    message = task.apply_async(("c",), headers={"baggage": "a=b"})
    return [*((result.state, repr(result.result)) for result in results), bool(message.id)]


@pytest.fixture(scope="module", name="server")
def _server() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        yield server


@pytest.fixture(scope="module", name="untraced")
def _untraced(server: ProviderServer) -> list[Any]:
    with asked(server) as model:
        return program(model)


@pytest.fixture
def _connected() -> Iterator[None]:
    """Takes out of Celery's signals what a fault has left there."""
    watched = (signals.task_prerun, signals.task_postrun, signals.before_task_publish)
    before = [list(signal.receivers) for signal in watched]
    yield
    for signal, known in zip(watched, before, strict=True):
        signal.receivers[:] = known
        signal.sender_receivers_cache.clear()


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.usefixtures("_our_faults_are_ours", "_connected")
def test_a_fault_of_ours_changes_nothing(
    name: str, server: ProviderServer, untraced: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BTTRACE_PROPAGATE", "true")
    with asked(server) as model:
        assert _traced_with_a_fault(FUNCTIONS[name], lambda: program(model)) == untraced
