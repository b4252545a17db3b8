"""The spool when programs are killed, and when many start at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import ExitStack

import pytest

from tests.doors import PYTHON
from tests.loopback.braintrust import BraintrustServer
from tests.machines import CALLS, Machine, asked

BUSY = """
import openai, sys, time
client = openai.OpenAI(max_retries=0)
for number in range(10_000):
    text = f"{sys.argv[1]} {number}"
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    print(text, time.monotonic(), sep=",", flush=True)
"""
GRACE = 0.2  # seconds that a finished span may need to be on disk


def _started(machine: Machine, code: str, *words: str, **variables: str) -> subprocess.Popen[str]:
    command = [PYTHON, "-m", "bttrace.run", "-c", code, *words]
    return subprocess.Popen(
        command,
        env=machine.environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("fault", [{"status": 500}, {"hang": True}, {}], ids=["fails", "hangs", "well"])
def test_what_had_finished_survives_a_kill_at_any_moment(
    machine: Machine, braintrust_api: BraintrustServer, fault: dict[str, bool | int]
) -> None:
    if fault:
        braintrust_api.fault("/v1", times=None, **fault)  # type: ignore[arg-type]
    finished: dict[str, float] = {}
    killed: dict[str, float] = {}
    with ExitStack() as stack:
        programs = [
            stack.enter_context(_started(machine, BUSY, name, BTTRACE_SPOOL="always")) for name in "abc"
        ]
        for name, program in zip("abc", programs, strict=True):
            assert program.stdout is not None
            first = program.stdout.readline()
            assert first, program.stderr and program.stderr.read()
            time.sleep(random.uniform(0.1, 0.7))
            killed[name] = time.monotonic()
            os.kill(program.pid, signal.SIGKILL)
            for line in [first, *program.stdout.read().splitlines()]:
                text, _, at = line.partition(",")
                finished[text] = float(at)
    braintrust_api.heal()
    done = machine.replay()
    assert done.code == 0, done
    due = {text for text, at in finished.items() if at < killed[text[0]] - GRACE}
    assert len({text[0] for text in due} | set("a")) > 1
    assert due <= set(asked(braintrust_api))
    assert [path for path in machine.spool.rglob("*") if path.is_file()] == []
    if fault:
        assert set(braintrust_api.deliveries.values()) == {1}


def test_many_that_start_together_deliver_what_is_there_once(
    machine: Machine, braintrust_api: BraintrustServer
) -> None:
    for round_ in range(2):
        machine.run(*[f"{round_} {number}" for number in range(5)], BRAINTRUST_API_KEY="wrong")
    assert len(machine.rows) == 10
    braintrust_api.fault("/v1/project_logs", delay=0.3, times=4)
    replay = [PYTHON, "-m", "bttrace.replay"]
    with ExitStack() as stack:
        programs = [stack.enter_context(_started(machine, CALLS, f"new {number}")) for number in range(2)]
        programs += [
            stack.enter_context(
                subprocess.Popen(replay, env=machine.environment(), stdout=subprocess.DEVNULL, text=True)
            )
            for _ in range(8)
        ]
        for program in programs:
            program.wait(60)
    texts = [f"{round_} {number}" for round_ in range(2) for number in range(5)]
    assert Counter(asked(braintrust_api)) == Counter([*texts, "new 0", "new 1"])
    assert set(braintrust_api.deliveries.values()) == {1}
    assert [path for path in machine.spool.rglob("*") if path.is_file()] == []


LASTING = """
import openai, time
client = openai.OpenAI(max_retries=0)
for number in range(3):
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": str(number)}])
print("asked", flush=True)
time.sleep(30)
"""


def test_what_waits_goes_to_the_disk_while_deliveries_fail(
    machine: Machine, braintrust_api: BraintrustServer
) -> None:
    braintrust_api.fault("/v1", status=500, times=None)
    process = subprocess.Popen(
        [PYTHON, "-m", "bttrace.run", "-c", LASTING],
        env=machine.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while len(machine.rows) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert len(machine.rows) == 3
    braintrust_api.heal()
    assert machine.replay().code == 0
    assert asked(braintrust_api) == ["0", "1", "2"]
