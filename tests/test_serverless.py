"""Where the platform freezes the process once it has answered, a trace is delivered before that; elsewhere nobody waits."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bttrace.environment import freezes
from tests.doors import FOLDER, PYTHON, environment
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, chat_stream, message_stream, openai_error
from tests.nested import nested

LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "chat", "LAMBDA_TASK_ROOT": "/var/task"}
GOOGLE = {"FUNCTION_TARGET": "chat", "K_SERVICE": "chat"}
TIMEOUT = 30
GENERATION = "llm.generation (gpt-4o-mini-2024-07-18)"

APP = """\
import asyncio, os, signal, sys, threading, time
import openai
client = openai.OpenAI(max_retries=0)
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
def weather(**_):
    return "sunny"
def ask(said="hi", **options):
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": said}], **options)
async def aask(aclient, said="hi", **options):
    return await aclient.chat.completions.create(model="m", messages=[{"role": "user", "content": said}], **options)
def agent():
    messages = [{"role": "user", "content": "weather?"}]
    while True:
        answer = client.chat.completions.create(model="m", messages=messages, tools=[TOOL]).choices[0].message
        if not answer.tool_calls:
            return answer.content
        messages += [answer] + [
            {"role": "tool", "tool_call_id": call.id, "content": weather()} for call in answer.tool_calls
        ]
def handler(event, context):
    ask("first")
    return agent()
def freeze():
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@contextmanager
def started(code: str, folder: Path, *variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Runs code after the application's module."""
    (folder / "app.py").write_text(APP)
    (folder / "main.py").write_text(f"from app import *\nimport app\n{code}\n")
    together = {name: value for given in variables for name, value in given.items()}
    env = environment({**together, "PYTHONUNBUFFERED": "1"}, FOLDER)
    with subprocess.Popen(
        [PYTHON, "main.py"], env=env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def frozen(process: subprocess.Popen[str]) -> bool:
    """Waits until a process has stopped itself, or has ended; tells whether it stands still now."""
    until = time.monotonic() + TIMEOUT
    either = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
    while (found := os.waitid(os.P_PID, process.pid, either)) is None:
        assert time.monotonic() < until, "it neither stops nor ends"
        time.sleep(0.01)
    if found.si_code != os.CLD_STOPPED:
        return False
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG)  # so that it is not told again
    return True


def thaw(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGCONT)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    thaw(process)
    out, err = process.communicate(timeout=TIMEOUT)
    return process.returncode, out, err


def answer(request: Any) -> Any:
    body = request.json
    if request.route == "/v1/messages":
        return message_stream()
    if body.get("messages", [{}])[-1].get("content") == "fail":
        return openai_error(status=500)
    calls = [("c1", "weather", "{}")] if body.get("tools") and len(body["messages"]) == 1 else []
    if body.get("stream"):
        return chat_stream(tool_calls=calls) if calls else chat_stream()
    return chat(tool_calls=calls) if calls else chat("Hello.")


CALM = "from bttrace.process import serverless\nserverless._PATIENCE = 10.0  # the machine may be busy with other tests\n"
TURN = [
    "agent turn",
    ["reason (iteration 1)", GENERATION],
    ["act (iteration 1)", "tool.call (weather)"],
    ["reason (iteration 2)", GENERATION],
]
ASYNC = """
async def main():
    async with openai.AsyncOpenAI(max_retries=0) as aclient:
        {}
asyncio.run(main())
"""
WAYS: dict[str, tuple[str, list[Any]]] = {
    "a call": ("ask()", [GENERATION]),
    "calls, one after the other": ("ask(); ask()", [GENERATION] * 2),
    "a stream": ("list(ask(stream=True))", [GENERATION]),
    "a stream that is closed": (
        "stream = ask(stream=True); next(stream); stream.close()",
        [GENERATION],
    ),
    "a stream helper": (
        (
            "import anthropic\nwith anthropic.Anthropic().messages.stream(model='m', max_tokens=9, "
            "messages=[{'role': 'user', 'content': 'hi'}]) as stream: stream.get_final_message()"
        ),
        ["llm.generation (claude-haiku-4-5-20251001)"],
    ),
    "a call that fails": (
        "try: ask('fail')\nexcept openai.InternalServerError: pass",
        ["llm.generation (m)"],
    ),
    "an asynchronous call": (ASYNC.format("await aask(aclient)"), [GENERATION]),
    "an asynchronous stream": (
        ASYNC.format("[chunk async for chunk in await aask(aclient, stream=True)]"),
        [GENERATION],
    ),
    "calls at once": (
        ASYNC.format("await asyncio.gather(*[aask(aclient) for _ in range(5)])"),
        [GENERATION] * 5,
    ),
    "threads": (
        (
            "threads = [threading.Thread(target=ask) for _ in range(4)]\n"
            "[thread.start() for thread in threads]\n[thread.join() for thread in threads]"
        ),
        [GENERATION] * 4,
    ),
    "an agent's loop": ("agent()", [TURN]),
    "a workflow": ("app.handler({}, None)", [["workflow:handler", GENERATION, TURN]]),
}


@pytest.mark.parametrize("platform", [LAMBDA, GOOGLE], ids=["Lambda", "Google"])
def test_a_trace_is_whole_when_the_process_is_frozen(
    platform: dict[str, str], tmp_path: Path, provider: ProviderServer
) -> None:
    provider.reply(answer)
    ways = WAYS if platform is LAMBDA else {name: WAYS[name] for name in ("a call", "a workflow")}
    code = CALM + "".join(f"{code}\nfreeze()\n" for code, _ in ways.values())
    named = {"BTTRACE_WORKFLOWS": "app:handler"}
    with (
        BraintrustServer() as server,
        started(code, tmp_path, server.env(), provider.env(), platform, named) as process,
    ):
        known: set[Any] = set()
        for way, (_, expected) in ways.items():
            assert frozen(process), (way, process.communicate()[1])
            rows = [row for row in server.rows() if row["id"] not in known]
            assert nested(rows) == expected, way
            assert all("end" in row["metrics"] for row in rows), way
            known.update(row["id"] for row in rows)
            thaw(process)
        assert ended(process) == (0, "", "")
        assert {row["id"] for row in server.rows()} == known


TIMED = """
def timed(work):
    begun = time.monotonic()
    work()
    print(round(time.monotonic() - begun, 3), flush=True)
ask()  # the SDK's own first call takes long
"""


def times(out: str) -> list[float]:
    return [float(line) for line in out.split()]


@pytest.mark.parametrize("dead", ["refuses", "hangs"])
def test_a_dead_endpoint_delays_once(dead: str, tmp_path: Path, provider: ProviderServer) -> None:
    provider.reply(answer)
    code = (
        TIMED.replace("ask()  #", "timed(ask)  #")
        + "for _ in range(4): timed(ask)\ntimed(agent)\ntime.sleep(0.7)\ntimed(ask)\nfreeze()"
    )
    with BraintrustServer() as server:
        if dead == "refuses":
            server.close()
        else:
            server.fault("/", hang=True, times=None)
        with started(
            code,
            tmp_path,
            server.env(),
            provider.env(),
            LAMBDA,
            {"BTTRACE_EXIT_TIMEOUT": "0.2", "BTTRACE_SPOOL": "off"},
        ) as process:
            assert frozen(process)
            status, out, _ = ended(process)
    first, *others = times(out)
    assert status == 0
    assert first < 3.0  # with the SDK's own beginnings
    assert max(others) < 0.5, others


def test_an_endpoint_that_comes_back_is_waited_for_again(tmp_path: Path, provider: ProviderServer) -> None:
    provider.reply(answer)
    with BraintrustServer() as server:
        server.fault("/v1/project_logs", status=503, times=2)
        code = "ask()\ntime.sleep(2.5)\nask()\nfreeze()"
        with started(
            code, tmp_path, server.env(), provider.env(), LAMBDA, {"BTTRACE_LOG": "error"}
        ) as process:
            assert frozen(process)
            assert len(server.rows()) == 2
            assert ended(process) == (0, "", "")


def test_a_call_that_asks_for_tools_does_not_wait(tmp_path: Path, provider: ProviderServer) -> None:
    """Its turn goes on; what a slow endpoint costs, the last call of it costs alone."""
    provider.reply(answer)
    code = (
        CALM
        + "ask()\nmessages = [{'role': 'user', 'content': 'weather?'}]\n"
        + TIMED.replace("ask()  #", "#")
        + "timed(lambda: client.chat.completions.create(model='m', messages=messages, tools=[TOOL]))\n"
        "timed(lambda: list(client.chat.completions.create(model='m', messages=messages, tools=[TOOL], stream=True)))\n"
        "timed(ask)\nfreeze()"
    )
    with BraintrustServer() as server:
        server.fault("/v1/project_logs", delay=1.5, times=None)
        with started(code, tmp_path, server.env(), provider.env(), LAMBDA) as process:
            assert frozen(process)
            _, out, _ = ended(process)
    asks, streams, last = times(out)
    assert max(asks, streams) < 1.4
    assert last > 1.5


@pytest.mark.parametrize("platform", [{"K_SERVICE": "chat"}])
def test_elsewhere_nobody_waits(platform: dict[str, str], tmp_path: Path, provider: ProviderServer) -> None:
    provider.reply(answer)
    with BraintrustServer() as server:
        server.fault("/v1/project_logs", delay=1.5, times=None)
        code = TIMED + "for _ in range(3): timed(ask)\nfreeze()"
        with started(code, tmp_path, server.env(), provider.env(), platform) as process:
            assert frozen(process)
            _, out, _ = ended(process)
            assert len(server.rows()) == 4
    assert max(times(out)) < 1.4


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        (LAMBDA, True),
        ({"AWS_LAMBDA_FUNCTION_NAME": "chat"}, True),
        ({"LAMBDA_TASK_ROOT": "/var/task"}, True),
        ({"AWS_LAMBDA_FUNCTION_NAME": " "}, False),
        (GOOGLE, True),
        ({"FUNCTION_TARGET": "chat"}, False),
        ({"K_SERVICE": "chat"}, False),
        ({"FUNCTION_NAME": "chat", "GCP_PROJECT": "p"}, True),
        ({"FUNCTION_NAME": "chat"}, False),
        ({"FUNCTIONS_WORKER_RUNTIME": "python"}, False),
        ({"VERCEL": "1"}, False),
    ],
)
def test_what_says_so(variables: dict[str, str], expected: bool) -> None:
    assert freezes(variables) is expected
