"""`getattr(self, name)`, and with a prefix."""

import time
from typing import Any

from tests.dispatch.slow import SECONDS


class Agent:
    def __init__(self, conversation: Any, prefix: str = "") -> None:
        self.conversation = conversation
        self.prefix = prefix

    def loop(self) -> list[Any]:
        brought = []
        while calls := self.conversation.ask():
            for call_id, name, arguments in calls:
                brought.append(getattr(self, self.prefix + name)(**arguments))
                self.conversation.bring(call_id, brought[-1])
        return brought


class Plain(Agent):
    def search(self, q: str, limit: int = 3) -> str:
        time.sleep(SECONDS)
        return f"{limit} of {q}"


class Prefixed(Agent):
    def tool_search(self, q: str, limit: int = 3) -> str:
        time.sleep(SECONDS)
        return f"{limit} of {q}"


class Frozen(Agent):
    __slots__ = ()

    @staticmethod
    def search(q: str, limit: int = 3) -> str:
        time.sleep(SECONDS)
        return f"{limit} of {q}"


def run(conversation: Any) -> list[Any]:
    return Plain(conversation).loop()


def run_prefixed(conversation: Any) -> list[Any]:
    return Prefixed(conversation, "tool_").loop()


def run_static(conversation: Any) -> list[Any]:
    return Frozen(conversation).loop()
