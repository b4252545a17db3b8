"""Tools that only `perform` leads to."""

import time
from functools import partial
from typing import Any

from tests.dispatch.slow import SECONDS


def _search(index: str, q: str, limit: int = 3) -> str:
    time.sleep(SECONDS)
    return f"{limit} of {q} in {index}"


_TOOLS = {"search": partial(_search, "web"), "mail": partial(_search, "mail")}


def perform(name: str, arguments: dict[str, Any]) -> Any:
    return _TOOLS[name](**arguments)
