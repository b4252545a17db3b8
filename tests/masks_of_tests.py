"""Functions that mask, as a user of bttrace would name them in BTTRACE_MASK."""

from typing import Any

WORD = "swordfish"
seen: list[Any] = []


def shouts(value: Any) -> Any:
    """Masks a word wherever it stands."""
    seen.append(value)
    if isinstance(value, str):
        return value.replace(WORD, "*****")
    if isinstance(value, dict):
        return {shouts(name): shouts(held) for name, held in value.items()}
    return [shouts(held) for held in value] if isinstance(value, list) else value


def raises(value: Any) -> Any:
    raise ValueError(f"can't mask {value}")


def leaves(value: Any) -> Any:
    raise SystemExit(3)


def drops(value: Any) -> Any:
    return None


def odd(value: Any) -> Any:
    return {1, object}


def without_pictures(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("type") == "attachment":
            return "a picture"
        return {name: without_pictures(held) for name, held in value.items()}
    return [without_pictures(held) for held in value] if isinstance(value, list) else value


async def later(value: Any) -> Any:
    return value


NO_FUNCTION = 3
