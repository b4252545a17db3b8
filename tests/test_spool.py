"""The spool: what is not delivered by the exit is on disk, and the next process delivers it, once."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import bttrace
from tests.doors import PYTHON, Finished, environment, finished, fresh_spool
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer

CALLS = """
import openai, sys
client = openai.OpenAI(max_retries=0)
for text in sys.argv[1:]:
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
"""


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(replies.chat("Hello"))
        yield server


class Machine:
    """A machine on which programs run one after the other, with one spool, toward one Braintrust."""

    def __init__(self, server: BraintrustServer, provider: ProviderServer, folder: Path) -> None:
        self.spool = Path(fresh_spool())
        self._folder = folder
        self._variables = {
            **server.env(),
            **provider.env(),
            "BRAINTRUST_PROJECT_NAME": "P",
            "BTTRACE_SPOOL_DIR": str(self.spool),
            "BTTRACE_EXIT_TIMEOUT": "3",
        }

    def environment(self, **variables: str) -> dict[str, str]:
        return environment({**self._variables, **variables})

    def run(self, *texts: str, code: str = CALLS, **variables: str) -> Finished:
        """Runs a program that asks a model about each text."""
        command = [PYTHON, "-m", "bttrace.run", "-c", code, *texts]
        return finished(command, self.environment(**variables), self._folder)

    def replay(self, **variables: str) -> Finished:
        return finished([PYTHON, "-m", "bttrace.replay"], self.environment(**variables), self._folder)

    @property
    def files(self) -> list[Path]:
        """All that is in the spool but for locks and folders."""
        return sorted(path for path in self.spool.rglob("*") if path.is_file() and path.name != "lock")

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows in the spool, in order."""
        lines = [
            line for path in self.files if path.suffix == ".jsonl" for line in path.read_text().splitlines()
        ]
        return [row for row in map(json.loads, lines) if "bttrace_spool" not in row]


@pytest.fixture
def machine(braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path) -> Machine:
    return Machine(braintrust_api, provider, tmp_path)


def asked(server: BraintrustServer) -> list[str]:
    """What the calls of all rows that arrived asked."""
    return [row["input"][0]["content"] for row in server.rows("P")]


def test_what_was_not_delivered_is_delivered_by_the_next_start_once(
    machine: Machine, braintrust_api: BraintrustServer
) -> None:
    braintrust_api.fault("/v1", status=500, times=None)
    done = machine.run("one", "two", "three")
    assert done.code == 0
    [line] = done.said
    address = braintrust_api.url.removeprefix("http://")
    assert line.startswith(f"bttrace: {address} answers 500: 3 spans were not delivered by the exit")
    assert f"kept in {machine.spool}" in line
    assert line.endswith("; the next start delivers them, or python -m bttrace.replay.")
    assert [row["input"][0]["content"] for row in machine.rows] == ["one", "two", "three"]
    for path in [machine.spool, *machine.spool.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path

    braintrust_api.heal()
    done = machine.run("four")
    assert (done.code, done.err) == (0, "")
    assert sorted(asked(braintrust_api)) == ["four", "one", "three", "two"]
    assert set(braintrust_api.deliveries.values()) == {1}
    assert [path for path in machine.spool.rglob("*") if path.is_file()] == []


def test_off_never_touches_the_disk(machine: Machine, braintrust_api: BraintrustServer) -> None:
    braintrust_api.fault("/v1", status=500, times=None)
    done = machine.run("one", BTTRACE_SPOOL="off")
    [line] = done.said
    assert "1 span was not delivered by the exit and is lost" in line
    assert not machine.spool.exists()


def test_as_long_as_all_goes_well_nothing_is_on_disk(
    machine: Machine, braintrust_api: BraintrustServer
) -> None:
    done = machine.run("one")
    assert (done.code, done.err) == (0, "")
    assert asked(braintrust_api) == ["one"]
    assert not machine.spool.exists()


def test_always_leaves_nothing_behind_when_all_goes_well(
    machine: Machine, braintrust_api: BraintrustServer
) -> None:
    done = machine.run("one", "two", BTTRACE_SPOOL="always")
    assert (done.code, done.err) == (0, "")
    assert asked(braintrust_api) == ["one", "two"]
    assert [path for path in machine.spool.rglob("*") if path.is_file()] == []
