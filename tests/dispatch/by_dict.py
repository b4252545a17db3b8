"""A dict of functions."""

import time
from typing import Any

from tests.dispatch.slow import SECONDS


def search(q: str, limit: int = 3) -> str:
    time.sleep(SECONDS)
    return f"{limit} of {q}"


def fail(q: str) -> str:
    raise KeyError(q)


TOOLS = {"search": search, "fail": fail}


def run(conversation: Any) -> list[Any]:
    brought = []
    while calls := conversation.ask():
        for call_id, name, arguments in calls:
            try:
                result = TOOLS[name](**arguments)
            except KeyError as error:
                result = f"error: {error!r}"
            brought.append(result)
            conversation.bring(call_id, result)
    return brought
