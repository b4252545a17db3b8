"""Forks and children of multiprocessing: every span exactly once, no hang, nothing on stderr, and a fork is quick."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from bttrace.process import fork_warning
from bttrace.process.worker import FORK_PATIENCE, Worker
from tests.doors import FOLDER, PYTHON, Finished, environment, finished
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer

PROGRAMS = Path(__file__).parent / "processes"
INSERT = "/v1/project_logs"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def ran(
    braintrust: BraintrustServer, provider: ProviderServer, program: str, *words: str, patience: str = "20"
) -> Finished:
    """Runs a program under the hook; warnings are shown, as for its main module they always are."""
    provider.reply(lambda request: replies.chat(request.json["messages"][0]["content"]))
    env = environment({**braintrust.env(), **provider.env(), "BTTRACE_EXIT_TIMEOUT": patience}, FOLDER)
    return finished([PYTHON, PROGRAMS / program, *words], env)


def asked(provider: ProviderServer) -> list[str]:
    return sorted(request.json["messages"][0]["content"] for request in provider.requests)


def told(braintrust: BraintrustServer) -> list[str]:
    assert set(braintrust.deliveries.values()) <= {1}
    return sorted(row["input"][0]["content"] for row in braintrust.rows())


@pytest.mark.parametrize(
    "way",
    ["idle", "loading", "busy", "loop", "thread", "grandchildren", "abrupt", "daemon", "foreign", "spawn"],
)
def test_every_span_of_every_process_is_delivered_once(
    braintrust_api: BraintrustServer, provider: ProviderServer, way: str
) -> None:
    done = ran(braintrust_api, provider, "forking.py", way)
    # From Python 3.12 on, that is how Python says of a program with threads that it forks.
    own = way == "busy" and sys.version_info >= (3, 12)
    assert (done.code, done.err if not own else "") == (0, "")
    assert told(braintrust_api) == asked(provider) == sorted(ast.literal_eval(done.out))


def test_a_fork_does_not_wait_for_a_delivery(
    braintrust_api: BraintrustServer, provider: ProviderServer
) -> None:
    braintrust_api.fault(INSERT, delay=2, times=1)
    done = ran(braintrust_api, provider, "forking.py", "away")
    assert (done.code, done.err) == (0, "")
    assert float(done.out.split()[0]) < 1.5
    assert told(braintrust_api) == asked(provider) == ["child", "parent"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_of_multiprocessing_delivers_also_what_its_threads_did(
    braintrust_api: BraintrustServer, provider: ProviderServer, method: str
) -> None:
    done = ran(braintrust_api, provider, "multiprocesses.py", "process", method)
    assert (done.code, done.err) == (0, "")
    assert told(braintrust_api) == asked(provider) == ["child", "parent", "thread"]


@pytest.mark.parametrize("way", ["pool", "closed", "executor", "short", "short billiard"])
def test_workers_of_multiprocessing(
    braintrust_api: BraintrustServer, provider: ProviderServer, way: str
) -> None:
    name, *library = way.split()
    if library and not importlib.util.find_spec(*library):
        pytest.skip(f"{library[0]} is not installed")
    done = ran(braintrust_api, provider, "multiprocesses.py", name, "fork", *library)
    assert done.code == 0, done.err
    assert "bttrace" not in done.err
    assert told(braintrust_api) == asked(provider) == ["parent", *(f"task {number}" for number in range(6))]


def test_a_pool_that_is_terminated_does_not_hang_when_nobody_answers(
    braintrust_api: BraintrustServer, provider: ProviderServer
) -> None:
    braintrust_api.fault(INSERT, hang=True, times=None)
    done = ran(braintrust_api, provider, "multiprocesses.py", "pool", "fork", patience="1")
    assert done.code == 0, done.err
    assert len(asked(provider)) == 7


def test_threads_that_do_not_leave_delay_a_fork_once_for_all() -> None:
    begun, over = threading.Semaphore(0), threading.Event()

    def work() -> None:
        begun.release()
        over.wait(60)

    stuck = [Worker(f"bttrace-test-{number}", work) for number in range(3)]
    for worker in stuck:
        worker.rouse()
        assert begun.acquire(timeout=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the test runner has threads of its own
        began = time.monotonic()
        child = os.fork()
        took = time.monotonic() - began
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    over.set()
    assert FORK_PATIENCE <= took < 3 * FORK_PATIENCE
    for worker in stuck:
        worker.end(60)
        assert not worker.is_alive()


def test_the_filter_leaves_nothing_behind() -> None:
    before = list(warnings.filters)
    fork_warning.hush([1])
    fork_warning.restore()
    assert warnings.filters == before
