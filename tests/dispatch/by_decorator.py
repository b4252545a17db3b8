"""Registries that decorators fill: a list of functions, objects with a name, and a registry that is an object."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.dispatch.slow import SECONDS

LISTED: list[Callable[..., Any]] = []


def tool(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def checked(**arguments: Any) -> Any:
        return function(**arguments)

    LISTED.append(checked)
    return checked


@tool
def search(q: str, limit: int = 3) -> str:
    time.sleep(SECONDS)
    return f"{limit} of {q}"


@tool
def count(q: str, limit: int = 3) -> int:
    return len(q) * limit


def run(conversation: Any) -> list[Any]:
    brought = []
    while calls := conversation.ask():
        for call_id, name, arguments in calls:
            chosen = next(one for one in LISTED if one.__name__ == name)
            brought.append(chosen(**arguments))
            conversation.bring(call_id, brought[-1])
    return brought


@dataclass
class Tool:
    name: str
    function: Callable[..., Any]


@dataclass
class Toolbox:
    tools: dict[str, Tool] = field(default_factory=dict)

    def register(self, function: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__.removeprefix("do_")
        self.tools[name] = Tool(name, function)
        return function

    def perform(self, name: str, arguments: dict[str, Any]) -> Any:
        return self.tools[name].function(**arguments)


box = Toolbox()


@box.register
def do_lookup(q: str, limit: int = 3) -> str:
    time.sleep(SECONDS)
    return f"{limit} of {q}"


def run_toolbox(conversation: Any) -> list[Any]:
    brought = []
    while calls := conversation.ask():
        for call_id, name, arguments in calls:
            brought.append(box.perform(name, arguments))
            conversation.bring(call_id, brought[-1])
    return brought
