"""Faults of our own never reach an application's connections: every function that they run through is made to raise."""

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests import test_never_raises
from tests.dialogues import answering, aread, client, read, text_answer
from tests.loopback.websocket import WebsocketServer
from tests.test_never_raises import _our_faults_are_ours, _traced_with_a_fault

__all__ = ["_our_faults_are_ours"]

# The application's own messages run through these, and they do nothing but pass them on and call guarded functions.
PASSING_ON = {
    f"Connections.{name}"
    for name in ("_recv_bytes", "_arecv_bytes", "_send", "_asend", "_close", "_keep", "_enter", "_aenter")
}
ROOMS = (
    "bttrace.contracts", "bttrace.record", "bttrace.spans.shape", "bttrace.wiring",
    *(f"bttrace.providers.openai.{name}" for name in ("realtime", "response")),
    *(f"bttrace.seams.{name}" for name in ("callers", "websockets.connections", "websockets.exchange", "firsts", "websockets.marks", "moments", "websockets.traffic", "websockets.watches")),
)  # fmt: skip
FUNCTIONS = {
    name: function
    for name, function in test_never_raises.FUNCTIONS.items()
    if name.startswith(ROOMS) and name.rpartition(":")[2] not in PASSING_ON
}
ANSWERS = text_answer("resp_1", "Hel", "lo."), text_answer("resp_2", "Yes.")


def program(server: WebsocketServer) -> list[Any]:
    """What an application sees of its connections: events, and the exception of sending too late."""
    manager = client(server).realtime.connect(model="gpt-realtime")
    manager.send({"type": "response.create"})
    with manager as connection:
        seen = read(connection)
        connection.response.create()
        seen += read(connection)
    try:
        connection.response.create()
    except Exception as error:
        seen.append(repr(error))
    return [*seen, *asyncio.run(aprogram(server))]


async def aprogram(server: WebsocketServer) -> list[Any]:
    async with client(server, openai.AsyncOpenAI).realtime.connect(model="gpt-realtime") as connection:
        await connection.response.create()
        seen = await aread(connection)
        await connection.response.create()
        return [*seen, *await aread(connection)]


@pytest.fixture(scope="module", name="server")
def _server() -> Iterator[WebsocketServer]:
    with WebsocketServer(answering(*ANSWERS)) as server:
        yield server


@pytest.fixture(scope="module", name="untraced")
def _untraced(server: WebsocketServer) -> tuple[list[Any], list[Any]]:
    server.messages.clear()
    return program(server), list(server.messages)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.usefixtures("_our_faults_are_ours")
def test_a_fault_of_ours_changes_nothing(
    name: str, server: WebsocketServer, untraced: tuple[list[Any], list[Any]]
) -> None:
    server.messages.clear()
    seen = _traced_with_a_fault(FUNCTIONS[name], lambda: program(server))
    assert (seen, server.messages) == untraced
