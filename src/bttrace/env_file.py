"""Env files, as the shell and the braintrust SDK read them. Loaded only where there is one."""

from __future__ import annotations


def variables(path: str) -> tuple[dict[str, str], str]:
    """Gives the variables of an env file, and a problem when it can't be read.

    Lines are `NAME=value` or `export NAME=value`; quotes are taken off, and a `#` after
    white space starts a comment, as the shell and braintrust 0.47 (`env.py`) have it.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
        why = "it holds a null byte" if "\0" in text else ""
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", None) or "it is not UTF-8 text"
    if why:
        return {}, f"env file {path!r} can't be read ({why}); check the path and its permissions."
    found = {}
    for line in text.splitlines():
        name, separator, value = line.strip().partition("=")
        name = name.removeprefix("export ").strip()
        if separator and name and not name.startswith("#"):
            found[name] = _unquoted(value.strip())
    return found, ""


def _unquoted(value: str) -> str:
    quote = value[:1]
    if quote in ('"', "'") and (end := value.find(quote, 1)) > 0:
        return value[1:end]
    for position, character in enumerate(value):
        if character == "#" and (position == 0 or value[position - 1].isspace()):
            return value[:position].rstrip()
    return value
