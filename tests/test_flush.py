"""`bttrace.flush()`: from anywhere, as often as one likes; it says whether everything is delivered, and is on time."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import bttrace
from tests.apis import CHAT
from tests.doors import hooked
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat


@pytest.fixture(name="client")
def _client(provider: ProviderServer) -> Iterator[Any]:
    provider.reply(chat("Hello."))
    with CHAT.client(provider) as client:
        yield client


@pytest.fixture(name="server")
def _server(braintrust_api: BraintrustServer) -> BraintrustServer:
    """Braintrust, to which everything goes from now on."""
    options: dict[str, Any] = {"api_key": braintrust_api.key, "exit_timeout": 0.2, "spool": "off"}
    bttrace.enable(**options, api_url=braintrust_api.url, app_url=braintrust_api.url)
    return braintrust_api


def ask(client: Any, what: str) -> None:
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": what}])


def said(server: BraintrustServer) -> list[str]:
    return [str(row["input"][0]["content"]) for row in server.rows()]


def ours() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("bttrace-")}


@pytest.mark.parametrize("timeout", [0, 5.0, -1, math.inf, math.nan])
def test_where_there_is_nothing_to_deliver(timeout: float, tmp_path: Path) -> None:
    assert bttrace.flush(timeout)
    bttrace.enable(exporter="local", journal_dir=str(tmp_path))
    assert bttrace.flush(0) is bttrace.flush(-1) is True
    assert ours() == set()
    assert bttrace.flush(timeout) is bttrace.flush(timeout) is True
    bttrace.disable()
    assert bttrace.flush(timeout)
    assert ours() == set()


@pytest.mark.parametrize("timeout", [5.0, math.inf, 1e300])
def test_it_waits_until_it_is_delivered(timeout: float, server: BraintrustServer, client: Any) -> None:
    for number in range(3):
        ask(client, str(number))
        assert bttrace.flush(timeout) is True
        assert said(server) == [str(one) for one in range(number + 1)]


def test_without_time_it_only_looks(
    server: BraintrustServer, client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.fault("/v1/project_logs", delay=0.3, times=1)
    ask(client, "hi")
    assert bttrace.flush(0) is False
    assert bttrace.flush(-1) is bttrace.flush(math.nan) is False
    until = time.monotonic() + 10
    while not bttrace.flush(0):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert said(server) == ["hi"]
    assert capsys.readouterr().err == ""


def test_from_a_running_loop_and_from_any_thread(server: BraintrustServer, provider: ProviderServer) -> None:
    provider.reply(chat("Hello."))

    async def main() -> None:
        async with CHAT.aclient(provider) as aclient:
            for number in range(2):
                await aclient.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": str(number)}]
                )
                assert bttrace.flush() is True
                assert await asyncio.to_thread(bttrace.flush) is True
                assert len(said(server)) == number + 1

    asyncio.run(main())


def test_many_at_once(server: BraintrustServer, client: Any) -> None:
    """Each finds its own delivered, while others go on."""

    def work(number: int) -> None:
        for turn in range(3):
            what = f"{number}-{turn}"
            ask(client, what)
            assert bttrace.flush(20.0) is True, what
            assert what in said(server)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert len(said(server)) == 18


def test_at_a_dead_endpoint_many_are_on_time(server: BraintrustServer, client: Any) -> None:
    server.fault("/", hang=True, times=None)

    def late(timeout: float) -> float:
        begun = time.monotonic()
        assert bttrace.flush(timeout) is False
        return time.monotonic() - begun - timeout

    ask(client, "hi")
    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(late, [0.0, 0.1, 0.2, 0.4])) < 8
    server.heal()


SIGNALS = """
import bttrace, openai, signal, time
client = openai.OpenAI()
def ask():
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
def handle(*_):
    bttrace.flush(0.01)
    bttrace.flush(0)
    if time.monotonic() < until:
        signal.setitimer(signal.ITIMER_REAL, 0.002)
ask()
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.002)
until = time.monotonic() + 0.6
while time.monotonic() < until:
    ask()
    bttrace.flush(0.05)
signal.setitimer(signal.ITIMER_REAL, 0)
print(bttrace.flush(), flush=True)
"""


def test_from_a_signal_handler_amid_another(tmp_path: Path, provider: ProviderServer) -> None:
    provider.reply(chat("Hello."))
    with BraintrustServer() as server:
        done = hooked(SIGNALS, server.env(), provider.env(), {"BTTRACE_LOG": "error"}, cwd=tmp_path)
        assert (done.code, done.out, done.err) == (0, "True\n", "")
        assert len(server.rows()) == len(provider.requests)
