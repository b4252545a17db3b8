"""The flags that this Python was started with, to be given to another, and those that keep the hook out."""

from __future__ import annotations

import re
import sys

BLINDING = {"isolated": "-I", "ignore_environment": "-E", "no_site": "-S"}
"""The flags with which Python imports no `sitecustomize` from PYTHONPATH, by their names in `sys.flags`."""
# One word of Python's own flags: single letters, then perhaps one that takes the rest, or the next word.
_FLAGS = re.compile(r"-([A-Za-z?]*?)([cmWX].*)?", re.DOTALL)


def interpreter_flags() -> list[str]:
    """Gives the flags that Python itself was given, to be given to the program's Python."""
    flags: list[str] = []
    words = iter(sys.orig_argv[1:])
    for word in words:
        if word.startswith("--check-hash-based-pycs"):
            flags += [word, *([next(words)] if "=" not in word else [])]
            continue
        found = _FLAGS.fullmatch(word)
        if found is None or word == "-":
            break
        letters, valued = found.groups()
        if valued and valued[0] in "cm":  # what Python runs, which is us
            return [*flags, f"-{letters}"] if letters else flags
        flags += [word, *([next(words)] if valued in ("W", "X") else [])]
    return flags
