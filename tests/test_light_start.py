"""A program that imports an SDK and calls nobody pays for little of us, and sends nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doors import hooked
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer

# What only a span needs, by a module of each: its place, its shape, its secrets, its way to Braintrust.
LATER = (
    "bttrace.trees",
    "bttrace.turns",
    "bttrace.writing",
    "bttrace.screens.privacy",
    "bttrace.screens.secret_shapes",
    "urllib3",
)
LOADED = f"print(*sorted(name for name in {LATER} if name in sys.modules))\n"
AT_EXIT = f"atexit.register(lambda: {LOADED.strip()})\n"
CALL = """
client = openai.OpenAI()
client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
"""
THREADS = "print(threading.active_count())\n"


def test_who_calls_nobody_loads_no_more_than_watching_takes(tmp_path: Path) -> None:
    with BraintrustServer() as server:
        # Ours comes to rest before a handler that was there sooner.
        program = f"import atexit, sys, threading\n{AT_EXIT}import openai\n{LOADED}{THREADS}"
        done = hooked(program, server.env(), cwd=tmp_path)
        assert (done.code, done.out.splitlines(), done.err) == (0, ["", "1", ""], "")
        assert server.requests == []


def test_a_flush_has_nothing_to_load_either(tmp_path: Path) -> None:
    with BraintrustServer() as server:
        program = f"import sys, threading, bttrace, openai\nprint(bttrace.flush())\n{LOADED}{THREADS}"
        done = hooked(program, server.env(), cwd=tmp_path)
        assert (done.code, done.out.splitlines()) == (0, ["True", "", "1"])
        assert server.requests == []


@pytest.mark.parametrize("forks", [False, True], ids=["in the process", "in a child"])
def test_the_first_call_has_the_rest_loaded(provider: ProviderServer, tmp_path: Path, *, forks: bool) -> None:
    provider.reply(replies.chat("Hello"))
    with BraintrustServer() as server:
        child = "import os\nif pid := os.fork():\n    sys.exit(os.waitpid(pid, 0)[1])\n" if forks else ""
        program = f"import sys, openai\n{child}{CALL}import bttrace\nprint(bttrace.flush())\n{LOADED}"
        done = hooked(program, server.env(), provider.env(), cwd=tmp_path)
        assert (done.code, done.out.splitlines()) == (0, ["True", " ".join(sorted(LATER))])
        assert len(server.deliveries) == 1
