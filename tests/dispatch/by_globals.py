"""`globals()[name]`."""

import time
from typing import Any

from tests.dispatch.slow import SECONDS


def search(q: str, limit: int = 3) -> str:
    time.sleep(SECONDS)
    return f"{limit} of {q}"


def run(conversation: Any) -> list[Any]:
    brought = []
    while calls := conversation.ask():
        for call_id, name, arguments in calls:
            brought.append(globals()[name](**arguments))
            conversation.bring(call_id, brought[-1])
    return brought
