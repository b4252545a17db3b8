"""`python -m bttrace.replay`: delivers what programs could not deliver, and left in the spool.

The environment says where to, as it does to a program. What running programs keep there is theirs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .classes import dataclass
from .config import Config, read
from .guard import say
from .sinks.segments import SUFFIX, Loaded
from .sinks.spool_files import ATTACHMENT
from .sinks.spool_folders import Destination, Unusable

_TIMEOUT = 3_600.0  # seconds, in which 256 MiB go through a slow line


@dataclass(frozen=True, slots=True)
class _Left:
    """What is in the spool: where for, how much, and in how many folders that running programs own."""

    project: str
    spans: int
    attachments: int
    owned: int


def replayed() -> int:
    """Delivers; gives the exit code, 1 when something is left that could have been delivered."""
    settings = read(os.environ, {"spool": "on-failure"})
    for problem in settings.problems:
        say(problem)
    if not settings.api_key:
        say("there is no BRAINTRUST_API_KEY: export the one that spans shall be sent with.")
        return 1
    try:
        destination = Destination.of(settings)
    except (OSError, Unusable) as fault:
        say(str(fault))
        return 1
    code = _delivered(settings, destination)
    others = [_left(path) for path in _folders(destination.root) if path != destination.path]
    for left in others:
        if left.spans or left.attachments:
            _print(
                f"{_counted(left)} for {left.project} are there too: name it, and its key, to deliver them."
            )
    return code


def _delivered(settings: Config, destination: Destination) -> int:
    from .sinks.braintrust import BraintrustSink

    before = _left(destination.path)
    project = _named(settings.project_id, settings.project)
    if not (before.spans or before.attachments):
        _print(f"nothing is left to be delivered for {project} in {destination.root}.")
        _say_owned(before)
        return 0
    sink = BraintrustSink(settings)
    try:
        done = sink.replay(time.monotonic() + _TIMEOUT)
    finally:
        sink.close()
    left = _left(destination.path)
    _print(f"{_counts((done.sent, 'span'), (done.attachments, 'attachment'))} delivered to {project}.")
    if done.damaged or done.lost:
        _print(f"{_counts((done.damaged, 'damaged line'), (done.lost, 'span'))} could not be delivered ever.")
    _say_owned(left)
    if not (left.spans or left.attachments):
        return 0
    why = f": {done.trouble}" if done.trouble else ""
    _print(f"{_counted(left)} left in {destination.path}{why}.")
    return 1


def _folders(root: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in root.iterdir() if path.is_dir())
    except OSError:
        return


def _left(path: Path) -> _Left:
    """Looks through a destination."""
    destination = Destination(path)
    project, spans, attachments, owned = "another project", 0, 0, 0
    for name in destination.names():
        held = destination.claim(name)
        if held is None:
            owned += 1
            continue
        ids: set[str] = set()
        for file in held.files(SUFFIX):
            try:
                loaded = Loaded(file)
            except OSError:
                continue
            ids.update(row.identity for row in loaded.batch(sys.maxsize, sys.maxsize))
            project = _named(loaded.project_id, loaded.project_name)
        spans += len(ids)
        attachments += len(held.files(ATTACHMENT))
        if not held.tidy():
            held.let_go()
    return _Left(project, spans, attachments, owned)


def _named(identity: str | None, name: str | None) -> str:
    return f"project {name!r}" if name else f"project id {identity!r}"


def _counted(left: _Left) -> str:
    return _counts((left.spans, "span"), (left.attachments, "attachment"))


def _counts(*counted: tuple[int, str]) -> str:
    told = [f"{count} {what}{'s' * (count != 1)}" for count, what in counted if count]
    return " and ".join(told) or f"0 {counted[0][1]}s"


def _say_owned(left: _Left) -> None:
    if left.owned:
        _print(f"{_counts((left.owned, 'running program'))} may keep more there, and will deliver it.")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command."""
    about = (__doc__ or "").partition("\n\n")[0]
    argparse.ArgumentParser(prog="python -m bttrace.replay", description=about).parse_args(arguments)
    return replayed()


if __name__ == "__main__":
    sys.exit(main())
