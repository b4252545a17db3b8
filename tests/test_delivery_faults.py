"""Faults of our own in delivery never reach the application: each function of it is made to raise, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import bttrace
from bttrace import session
from bttrace.process import forks
from bttrace.record import Recorder
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.test_never_raises import FUNCTIONS, raising

SINKS = (
    "api",
    "backoff",
    "braintrust",
    "courier",
    "delivery",
    "spooling.segments",
    "spooling.spool",
    "tally",
    "transport",
    "waiting",
)
DELIVERY = [
    name
    for name in FUNCTIONS
    if name.startswith((*(f"bttrace.sinks.{sink}" for sink in SINKS), "bttrace.screens.privacy"))
]
QUESTION: list[Any] = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(lambda _: replies.chat("Hello"))
        yield server


@pytest.fixture(scope="module")
def braintrust_api() -> Iterator[BraintrustServer]:
    with BraintrustServer() as server:
        yield server


@pytest.fixture
def _delivers(braintrust_api: BraintrustServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BTTRACE_STRICT")
    for name, value in braintrust_api.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BTTRACE_SPOOL", "always")
    monkeypatch.setenv("BTTRACE_SPOOL_DIR", str(tmp_path))
    monkeypatch.setenv("BTTRACE_EXIT_TIMEOUT", "0.2")


def _asked(provider: ProviderServer) -> tuple[object, list[bytes]]:
    provider.requests.clear()
    with openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as client:
        answer = client.chat.completions.create(model="m", messages=QUESTION)
    return answer.to_dict(), [request.body for request in provider.requests]


@pytest.mark.parametrize("name", DELIVERY)
@pytest.mark.usefixtures("_delivers")
def test_a_fault_in_delivery_changes_nothing(name: str, provider: ProviderServer) -> None:
    bare = _asked(provider)
    try:
        with raising(FUNCTIONS[name]):
            session.enable()
            assert _asked(provider) == bare
            bttrace.flush(0.2)
            bttrace.disable()
    finally:
        bttrace.disable()
        for follower in list(forks._followers):  # where disable() itself was what failed
            if isinstance(follower, Recorder):
                follower.close(0.2)


@pytest.mark.usefixtures("_delivers")
def test_these_functions_are_those_that_deliver(
    provider: ProviderServer, braintrust_api: BraintrustServer
) -> None:
    session.enable()
    _asked(provider)
    assert bttrace.flush(5)
    bttrace.disable()
    assert len(braintrust_api.rows()) > 0
    assert len(DELIVERY) > 100
