"""The loop is in one module, the tools are behind a function of another."""

from typing import Any

from tests.dispatch.hidden import perform


def run(conversation: Any) -> list[Any]:
    brought = []
    while calls := conversation.ask():
        for call_id, name, arguments in calls:
            brought.append(perform(name, arguments))
            conversation.bring(call_id, brought[-1])
    return brought
