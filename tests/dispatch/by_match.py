"""A match statement, in a function of another name, with positional arguments."""

import time
from typing import Any

from tests.dispatch.slow import SECONDS


def search(q: str, limit: int = 3) -> str:
    time.sleep(SECONDS)
    return f"{limit} of {q}"


def _perform(name: str, arguments: dict[str, Any]) -> Any:
    match name, arguments:
        case "search", {"q": q, **others}:
            return search(q, *others.values())
        case _:
            return None


def run(conversation: Any) -> list[Any]:
    brought = []
    while calls := conversation.ask():
        for call_id, name, arguments in calls:
            brought.append(_perform(name, arguments))
            conversation.bring(call_id, brought[-1])
    return brought
