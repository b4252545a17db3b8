"""The ledger: what it wraps, once, and puts back."""

from collections.abc import Callable, Mapping
from typing import Any

import wrapt

from bttrace.patch import Ledger, Wrapper


def counting(calls: list[str], name: str) -> Wrapper:
    def wrapper(
        wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        calls.append(name)
        return wrapped(*args, **kwargs)

    return wrapper


class Greeter:
    def greet(self) -> str:
        return "hello"


def test_a_place_is_wrapped_once_whoever_has_wrapped_it_since() -> None:
    calls: list[str] = []
    original = vars(Greeter)["greet"]
    ledger = Ledger()
    assert ledger.wrap(Greeter, "greet", counting(calls, "ours"))
    mine = vars(Greeter)["greet"]
    theirs: Any = wrapt.FunctionWrapper(mine, counting(calls, "theirs"))
    Greeter.greet = theirs  # type: ignore[method-assign]
    assert ledger.wrap(Greeter, "greet", counting(calls, "again"))
    assert Greeter().greet() == "hello"
    assert calls == ["theirs", "ours"]
    Greeter.greet = mine  # type: ignore[method-assign]
    assert ledger.restore() == []
    assert vars(Greeter)["greet"] is original
