"""Texts by which a call is known again: it stands in the prompt, comes back in the answer, and decides the tokens.

In a loop, the first call has the turn's own key, and each one after it that of the tool whose result it brings.
"""

import re
import zlib

_KEY = re.compile(r"\[\[([^\[\]]+)\]\]")
ROUNDS = 2
"""How often the model of a loop asks for a tool."""


def marked(key: str) -> str:
    """A text that holds a key."""
    return f"[[{key}]]"


def key_in(text: str) -> str | None:
    """The last key that a text holds, if any."""
    found = _KEY.findall(text)
    return found[-1] if found else None


def following(key: str) -> str | None:
    """The key of the tool that the model asks for after this call; None after the last."""
    turn, _, number = key.partition(".")
    following_number = int(number or 0) + 1
    return f"{turn}.{following_number}" if following_number <= ROUNDS else None


def completion_tokens(key: str) -> int:
    """How many tokens the answer to this call counts."""
    return zlib.crc32(key.encode()) % 900 + 1
