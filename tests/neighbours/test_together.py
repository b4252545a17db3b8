"""Another tool and bttrace in one process, turned on and off in both orders: each sees every call as it does alone.

braintrust, whose spans and ours go to the same place, has a test of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.doors import PYTHON, ROOT, environment, finished
from tests.loopback.provider import ProviderServer
from tests.neighbours.test_launchers import QUIET, answer, installed

ORDERS = [
    "theirs,ours,theirs,ours",
    "theirs,ours,ours,theirs",
    "ours,theirs,ours,theirs",
    "ours,theirs,theirs,ours",
]
PUTS_BACK = ("ddtrace",)
"""Who can be turned off."""
SAID = ["Hello from loopback."] * 2


def states(neighbour: str, order: str, provider: ProviderServer, folder: Path) -> list[Any]:
    variables = {**provider.env(), **QUIET, "BTTRACE_JOURNAL_DIR": str(folder)}
    program = [PYTHON, "-m", "tests.neighbours.together", neighbour, order]
    done = finished(program, environment(variables), ROOT)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("neighbour", ["ddtrace", "langfuse"])
def test_each_sees_every_call_as_it_does_alone(
    neighbour: str, order: str, provider: ProviderServer, tmp_path: Path
) -> None:
    if not installed(neighbour):
        pytest.skip(f"there is no {neighbour} here")
    provider.reply(answer)
    *found, restored = states(neighbour, order, provider, tmp_path)
    puts_back = neighbour in PUTS_BACK
    theirs_is_on = False
    for on, said, theirs, ours in found:
        theirs_is_on = "theirs" in on or (theirs_is_on and not puts_back)
        assert said == SAID
        assert theirs == (2 if theirs_is_on else 0), found
        assert ours == (2 if "ours" in on else 0), found
    assert restored is puts_back
