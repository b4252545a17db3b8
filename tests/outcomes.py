"""What came of an act: what it gave, or what it raised, to be compared with another run of it."""

from collections.abc import Callable
from typing import Any


def outcome(act: Callable[[], Any]) -> object:
    """Gives what an act returns, or what it raises."""
    try:
        return act()
    except Exception as error:
        return type(error), str(error)


async def aoutcome(act: Any) -> object:
    """Gives what an awaitable gives, or what it raises."""
    try:
        return await act
    except Exception as error:
        return type(error), str(error)
