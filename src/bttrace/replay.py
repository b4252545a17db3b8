"""`python -m bttrace.replay`: delivers what programs could not deliver, and left in the spool.

The environment says where to, as it does to a program. What running programs keep there is theirs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from .config import Config, read
from .guard import say
from .sinks.spooling.folders import Destination, Unusable
from .sinks.spooling.leavings import Leavings, counted, leavings, named, others

_TIMEOUT = 3_600.0  # seconds, in which 256 MiB go through a slow line


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
    for left in others(destination):
        _print(f"{left} for {left.project} are there too: name it, and its key, to deliver them.")
    return code


def _delivered(settings: Config, destination: Destination) -> int:
    from .sinks.braintrust import BraintrustSink

    before = leavings(destination)
    project = named(settings.project_id, settings.project)
    if not before:
        _print(f"nothing is left to be delivered for {project} in {destination.root}.")
        _say_owned(before)
        return 0
    sink = BraintrustSink(settings)
    try:
        done = sink.replay(time.monotonic() + _TIMEOUT)
    finally:
        sink.close()
    left = leavings(destination)
    _print(f"{counted((done.sent, 'span'), (done.attachments, 'attachment'))} delivered to {project}.")
    if done.damaged or done.lost:
        _print(f"{counted((done.damaged, 'damaged line'), (done.lost, 'span'))} could not be delivered ever.")
    _say_owned(left)
    if not left:
        return 0
    why = f": {done.trouble}" if done.trouble else ""
    _print(f"{left} left in {destination.path}{why}.")
    return 1


def _say_owned(left: Leavings) -> None:
    if left.owned:
        _print(f"{counted((left.owned, 'running program'))} may keep more there, and will deliver it.")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command."""
    about = (__doc__ or "").partition("\n\n")[0]
    argparse.ArgumentParser(prog="python -m bttrace.replay", description=about).parse_args(arguments)
    return replayed()


if __name__ == "__main__":
    sys.exit(main())
