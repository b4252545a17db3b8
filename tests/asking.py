"""Asking a model something that a test finds again in what was traced.

It owns how the one call of those tests is made, and how what was said is read from rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bttrace.testing import Captured


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
