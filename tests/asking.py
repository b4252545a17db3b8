"""Asking a model something that a test finds again in what was traced.

It owns how the one call of those tests is made, in which block, and how what was said is read from rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import bttrace
from bttrace.testing import Captured
from tests.apis import CHAT
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, chat_stream

ABOUT = {"session_id": "s-1", "user_id": "u-1", "team": "search"}


@pytest.fixture(name="unscripted")
def _unscripted(provider: ProviderServer) -> Iterator[Any]:
    with CHAT.client(provider) as client:
        yield client


@pytest.fixture(name="client")
def _client(provider: ProviderServer, unscripted: Any) -> Any:
    provider.reply(lambda request: chat_stream() if request.json.get("stream") else chat("Hello."))
    return unscripted


@pytest.fixture(name="aclient")
def _aclient(provider: ProviderServer, client: Any) -> Any:
    return CHAT.aclient(provider)


def ask(client: Any, what: str, **options: Any) -> Any:
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": what}], **options)


def run(client: Any, work: Callable[[], Awaitable[object]]) -> None:
    """Runs it in a loop of its own, and closes the client there."""

    async def whole() -> None:
        async with client:
            await work()

    asyncio.run(whole())


def said(captured: Captured) -> list[str]:
    """What was asked in the calls that were traced, in the order of their start."""
    rows = sorted(captured.generations, key=lambda row: row["metrics"]["start"])
    return [row["input"][-1]["content"] for row in rows if row["span_attributes"]["type"] == "llm"]


def block(**more: Any) -> Any:
    """A block that says everything that one can say."""
    return bttrace.context(
        **{
            "session_id": "s-1",
            "user_id": "u-1",
            "tags": ["one", "two"],
            "metadata": {"team": "search"},
            **more,
        }
    )


def about(row: dict[str, Any]) -> tuple[dict[str, Any], list[str] | None]:
    """What a row tells of what was said around it."""
    metadata = row["metadata"]
    return {name: metadata[name] for name in (*ABOUT, "more") if name in metadata}, row.get("tags")


def sessions(captured: Captured) -> dict[str, str | None]:
    """Of each call, by what it asked, the session that it tells."""
    calls = [row for row in captured.rows if row["span_attributes"]["type"] == "llm"]
    return {row["input"][-1]["content"]: row["metadata"].get("session_id") for row in calls}
