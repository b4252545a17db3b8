"""The command form of a loopback Braintrust: runs a program against it and prints what came.

It must not know how the server works: it is given one.
"""

import argparse
import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from tests.loopback.rows import Row


class Server(Protocol):
    """What the command asks of a server."""

    url: str

    def env(self) -> dict[str, str]:
        """The variables that lead a program to the server."""

    def rows(self) -> list[Row]:
        """The merged rows."""


def run(arguments: Sequence[str], serve: Callable[[int], AbstractContextManager[Server]]) -> int:
    """Serves for one program, or until Ctrl-C; gives the exit code."""
    before, _, command = _split(arguments)
    parser = argparse.ArgumentParser(
        prog="python -m tests.loopback.braintrust",
        usage="%(prog)s [--port N] [-- COMMAND ARGS...]",
        description="Runs COMMAND against a Braintrust on loopback and prints the rows it sent.",
    )
    parser.add_argument("--port", type=int, default=0, help="the port to listen on; any free one by default")
    port = parser.parse_args(before).port
    with serve(port) as server:
        return _program(command, server) if command else _service(server)


def listing(rows: Sequence[Row]) -> str:
    """The rows as an indented list, children under their parents: name, type, and the parent's name."""
    names = {row.get("span_id"): _attribute(row, "name") for row in rows}
    lines: list[str] = []

    def write(parent: object, depth: int) -> None:
        for row in rows:
            if _parent(row, names) == parent:
                said = f" < {names[parent]}" if parent is not None else ""
                lines.append(f"{'  ' * depth}{_attribute(row, 'name')} [{_attribute(row, 'type')}]{said}")
                if row.get("span_id") is not None:
                    write(row["span_id"], depth + 1)

    write(None, 0)
    return "\n".join(lines)


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], bool, Sequence[str]]:
    if "--" not in arguments:
        return arguments, False, ()
    place = list(arguments).index("--")
    return arguments[:place], True, arguments[place + 1 :]


def _program(command: Sequence[str], server: Server) -> int:
    try:
        code = subprocess.run(command, env={**os.environ, **server.env()}, check=False).returncode
    except KeyboardInterrupt:
        code = 130
    rows = server.rows()
    print(f"{len(rows)} rows", listing(rows), sep="\n", flush=True)
    # A shell says 128 + n of a program that signal n ended.
    return code if code >= 0 else 128 - code


def _service(server: Server) -> int:
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in server.env().items())
    print(f"{server.url}  export {exports}", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print(f"{len(server.rows())} rows", listing(server.rows()), sep="\n", flush=True)
    return 0


def _attribute(row: Row, name: str) -> str:
    attributes = row.get("span_attributes")
    value = attributes.get(name) if isinstance(attributes, dict) else None
    return str(value) if value is not None else "-"


def _parent(row: Row, known: dict[object, str]) -> object:
    parents = row.get("span_parents")
    found = [parent for parent in parents if parent in known] if isinstance(parents, list) else []
    return found[0] if found else None
