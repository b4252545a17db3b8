"""An if/elif chain over functions of the module."""

import time
from typing import Any

from tests.dispatch.slow import SECONDS


def search(q: str, limit: int = 3) -> str:
    time.sleep(SECONDS)
    return f"{limit} of {q}"


def add(a: int, b: int) -> int:
    return a + b


def run(conversation: Any) -> list[Any]:
    brought: list[Any] = []
    while calls := conversation.ask():
        for call_id, name, arguments in calls:
            if name == "search":
                brought.append(search(**arguments))
            elif name == "add":
                brought.append(add(arguments["a"], arguments["b"]))
            else:
                brought.append("no such tool")
            conversation.bring(call_id, brought[-1])
    return brought
