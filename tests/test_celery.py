"""Celery's tasks in workers of their own: each run in which something is traced is one tree."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from bttrace.testing import capture
from tests.doors import FOLDER, PYTHON, environment, finished
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.nested import nested
from tests.test_processes_web import PATIENCE, PROGRAMS
from tests.test_web_frameworks import ABOVE, OURS, SPAN, TRACE, trees

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("celery") is None or sys.platform == "win32", reason="celery is not installed"
)


def told(root: dict[str, Any]) -> tuple[str, Any, Any, Any, Any]:
    parents = root.get("span_parents") or [None]
    return root["span_attributes"]["name"], root["input"], root["output"], root.get("error"), parents[0]


def run(
    task: str, state: str = "SUCCESS", error: str | None = None, parent: str | None = None, retries: int = 0
) -> tuple[str, Any, Any, Any, Any]:
    name = f"celery_app.{task}"
    return f"workflow:TASK {name}", {"task": name, "retries": retries}, {"state": state}, error, parent


def worked(
    pool: str,
    braintrust: BraintrustServer,
    provider: ProviderServer,
    folder: Path,
    done: Callable[[], bool],
    **variables: str,
) -> dict[str, str]:
    """Has a worker run all tasks; gives what each gave. `done` tells when all that they queued has run, too."""
    provider.reply(lambda request: replies.chat(request.json["messages"][0]["content"]))
    needed = {**provider.env(), "CELERY_FOLDER": str(folder)}
    env = environment({**needed, **braintrust.env(), **variables}, FOLDER, PROGRAMS)
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "CRITICAL")
    command = [
        PYTHON,
        "-W",
        "ignore",
        "-m",
        "celery",
        "-A",
        "celery_app",
        "worker",
        "-P",
        pool,
        "-c",
        "2",
        *quiet,
    ]
    worker = subprocess.Popen(
        command, env=env, cwd=PROGRAMS, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        asked = finished(
            [PYTHON, "celery_app.py", json.dumps({**ABOVE, **OURS})], environment(needed), PROGRAMS
        )
        deadline = time.monotonic() + PATIENCE
        while not done() and time.monotonic() < deadline:
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        said = worker.communicate(timeout=PATIENCE)[1]
        assert worker.returncode == 0, said
        assert not [line for line in said.splitlines() if line.startswith("bttrace: ")], said
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.communicate()
    got: dict[str, str] = asked.json
    return got


@pytest.mark.parametrize(
    ("pool", "propagates"), [("prefork", True), pytest.param("solo", False, marks=pytest.mark.long)]
)
def test_workers(
    pool: str,
    propagates: bool,
    braintrust_api: BraintrustServer,
    provider: ProviderServer,
    tmp_path: Path,
) -> None:
    calls = 9
    got = worked(
        pool,
        braintrust_api,
        provider,
        tmp_path,
        lambda: len(provider.requests) == calls,
        BTTRACE_PROPAGATE=str(propagates),
    )
    assert got == {
        "one": "one",
        "nothing": "nothing",
        "queueing": "queueing",
        "queueing_alone": "alone",
        "trying": "trying-1",
        "failing": "no failing",
        "eager": "eager-within",
    }
    rows = braintrust_api.rows()
    silent = [
        row for row in rows if row["span_attributes"]["name"] == "workflow:TASK celery_app.queueing_alone"
    ]
    found = trees([row for row in rows if row not in silent])
    above: dict[str, Any] = {text: root["span_id"] for text, (root, _) in found.items()}

    for text in ("one", "trying-0", "trying-1"):
        assert found[text][0]["root_span_id"] == TRACE
    assert told(found.pop("one")[0]) == run("one", parent=SPAN)
    retried = "Retry: Retry in 0s: ValueError('not yet')"
    assert told(found.pop("trying-0")[0]) == run("trying", "RETRY", retried, SPAN)
    assert told(found.pop("trying-1")[0]) == run("trying", parent=SPAN, retries=1)
    assert told(found.pop("failing")[0]) == run("failing", "FAILURE", "ValueError: no failing")
    assert told(found.pop("eager")[0]) == run("eager")
    assert told(found.pop("eager-within")[0]) == run("one", parent=above["eager"])
    assert told(found.pop("queueing")[0]) == run("queueing")
    queued, alone = found.pop("queueing-queued")[0], found.pop("alone-queued")[0]
    if propagates:  # what queued something is told of, because that stands in it
        assert told(queued) == run("one", parent=above["queueing"])
        assert [told(row) for row in silent] == [run("queueing_alone")]
        assert told(alone) == run("one", parent=silent[0]["span_id"])
    else:
        assert (told(queued), told(alone), silent) == (run("one"), run("one"), [])
    assert found == {}


def test_celery_is_as_it_was(provider: ProviderServer) -> None:
    import celery
    from celery import signals

    provider.reply(replies.chat("Hello"))
    watched = (signals.task_prerun, signals.task_postrun, signals.before_task_publish)
    before = [list(signal.receivers) for signal in watched]
    app = celery.Celery("an application", broker="memory://", set_as_current=False)
    said: list[Any] = []
    with openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as client:

        def work(text: str) -> str:
            if text == "asks":
                client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
            if text == "fails":
                raise KeyError(text)
            return text

        task = app.task(work, name="work")
        with capture() as captured:
            assert [
                list(signal.receivers) != known for signal, known in zip(watched, before, strict=True)
            ] == [
                True,
                True,
                False,
            ]
            for text in ("asks", "does nothing", "fails"):
                said.append(task.apply((text,)))
            assert nested(captured.rows) == [
                ["workflow:TASK work", "llm.generation (gpt-4o-mini-2024-07-18)"]
            ]
    assert [result.state for result in said] == ["SUCCESS", "SUCCESS", "FAILURE"]
    assert [list(signal.receivers) for signal in watched] == before
