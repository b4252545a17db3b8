"""Notebooks: cells are run again and again, in one process that keeps everything, their tracebacks too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.doors import PYTHON, ROOT, environment, finished, journal_rows
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, chat_stream, openai_error

if find_spec("IPython") is None:
    pytest.skip("IPython is not installed", allow_module_level=True)

FIRST = """
import asyncio, importlib, sys
import openai
client = openai.OpenAI(max_retries=0)
def ask(said, client=client, **options):
    messages = [{"role": "user", "content": said}]
    return client.chat.completions.create(model="m", messages=messages, **options)
def text(answer):
    return answer.choices[0].message.content
def weather():
    return "fair"
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
def agent(said):
    messages = [{"role": "user", "content": said}]
    while True:
        answer = client.chat.completions.create(model="m", messages=messages, tools=[TOOL]).choices[0].message
        if not answer.tool_calls:
            return messages[-1]["content"]
        messages.append(answer)
        for call in answer.tool_calls:
            result = globals()[call.function.name]()
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
"""
RELOADED = """
for name in [name for name in sys.modules if name.split(".")[0] == "openai"]:
    del sys.modules[name]
import openai
newer = openai.OpenAI(max_retries=0)
print(type(newer) is not type(client))
"""
NESTED = """
def nested(work):
    # What nest_asyncio makes possible: a loop within one that runs.
    outer = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()
        asyncio._set_running_loop(outer)
async def aask(said, **options):
    async with openai.AsyncOpenAI(max_retries=0) as aclient:
        return text(await ask(said, aclient, **options))
async def outside(said):
    return nested(aask(said)) + await aask(said)
"""
READ = """
async def read():
    async with openai.AsyncOpenAI(max_retries=0) as aclient:
        return [chunk async for chunk in await ask('9', aclient, stream=True)]
"""


def answer(request: Any) -> Any:
    messages = request.json["messages"]
    said = messages[-1]["content"]
    if said == "fail":
        return openai_error(status=400)
    if request.json.get("tools"):
        asked = messages[-1]["role"] == "user"
        return chat(tool_calls=[(f"call {said}", "weather", "{}")]) if asked else chat("Done.")
    return chat_stream() if request.json.get("stream") else chat(f"you said {said}")


def ran(cells: Sequence[str], provider: ProviderServer, folder: Path) -> list[list[Any]]:
    """What the cells of a notebook showed."""
    provider.reply(answer)
    env = environment({**provider.env(), "IPYTHONDIR": str(folder / "ipython")}, ROOT)
    done = finished([PYTHON, "-m", "tests.notebook"], env, folder, stdin=json.dumps(cells))
    assert (done.code, done.err) == (0, "")
    told: list[list[Any]] = done.json
    return told


def enabled(journal: str, **options: Any) -> str:
    more = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"import bttrace\nbttrace.enable(exporter='local', journal_dir={journal!r}{more})"


def said(rows: list[dict[str, Any]]) -> list[str]:
    calls = [row for row in rows if row["span_attributes"]["type"] == "llm"]
    return [
        str(row["input"][-1]["content"]) for row in sorted(calls, key=lambda row: row["metrics"]["start"])
    ]


def traced(cells: Sequence[str], provider: ProviderServer, folder: Path, *, bare: bool = False) -> list[Any]:
    """The rows of a notebook, which shows the same `bare`, without us."""
    journal = folder / "journal"
    told = ran([enabled(str(journal)), *cells, "bttrace.flush()"], provider, folder)
    if bare:
        assert told[1:-1] == ran(["None", *cells], provider, folder)[1:]
    return journal_rows(journal)


def test_sessions_begin_and_end(provider: ProviderServer, tmp_path: Path) -> None:
    """The first `enable` counts until `disable`, however often its cell is run."""
    cells = [
        enabled("one"),
        FIRST,
        "ask('1')",
        enabled("one"),
        enabled("two", sample_rate=0, project="other", tools="x:y"),
        "ask('2')",
        FIRST,
        "ask('3'); stream = ask('4', stream=True); next(stream)",
        "bttrace.disable(); bttrace.disable()",
        "ask('5'); len(list(stream))",
        enabled("two"),
        "ask('6'); agent('7')",
        "bttrace.disable()",
        enabled("three"),
        "ask('8')",
        "print(bttrace.flush(), bttrace.status().sinks['local'].kept)",
    ]
    told = ran(cells, provider, tmp_path)
    assert [error for _, error in told] == [None] * len(cells)
    assert told[-1][0] == "True 1"
    assert said(journal_rows(tmp_path / "one")) == ["1", "2", "3"]
    assert "8" not in said(journal_rows(tmp_path / "two"))
    assert said(journal_rows(tmp_path / "two"))[:1] == ["6"]
    assert said(journal_rows(tmp_path / "three")) == ["8"]


def test_modules_of_the_sdk_are_loaded_again(provider: ProviderServer, tmp_path: Path) -> None:
    cells = [
        FIRST,
        "importlib.reload(openai); text(ask('1'))",
        "importlib.reload(openai._base_client); text(ask('2'))",
        "importlib.reload(openai._streaming); print(len(list(ask('3', stream=True))))",
        RELOADED,
        "print(text(ask('4')), text(ask('5', newer)), len(list(ask('6', newer, stream=True))))",
        "importlib.reload(openai); print(text(ask('7')), text(ask('8', newer)))",
    ]
    assert said(traced(cells, provider, tmp_path)) == list("12345678")


def test_event_loops_are_made_anew(provider: ProviderServer, tmp_path: Path) -> None:
    cells = [
        FIRST + NESTED,
        "print(asyncio.run(aask('1')), asyncio.run(aask('2')))",
        "print(await aask('3'))",  # IPython runs it in a loop of its own
        "print(await asyncio.gather(aask('4'), aask('4')))",
        "print(asyncio.run(outside('5')))",
        "print(await outside('6'))",
        "kept = openai.AsyncOpenAI(max_retries=0)\nprint(text(asyncio.run(ask('7', kept))))",
        "print(text(asyncio.run(ask('8', kept))))",  # its connections belong to a loop that is closed
        "await kept.close()",
        READ,
        "print(len(await read()))",
        "print(len(asyncio.run(read())))",
    ]
    rows = traced(cells, provider, tmp_path, bare=True)
    expected = ["1", "2", "3", "4", "4", "5", "5", "6", "6", "7", "8", "9", "9"]
    assert said(rows) == expected
    assert len({row["root_span_id"] for row in rows}) == len(rows)


def test_tools_and_classes_are_defined_again(provider: ProviderServer, tmp_path: Path) -> None:
    """What a cell defines anew is observed from then on, and is what the cell made of it."""
    weather = "def weather():\n    return '{}'"
    plain = "print(type(weather).__name__, weather.__module__, weather())"
    cells = [
        FIRST,
        weather.format("sunny"),
        "print(agent('1'))",
        plain,
        weather.format("rainy"),
        "print(agent('2'))",
        "class Tools:\n    def weather(self):\n        return 'snowy'\nweather = Tools().weather",
        "print(agent('3'))",
        "def weather():\n    raise KeyError('storm')",
        "agent('4')",
        weather.format("clear"),
        "print(agent('5'))",
        plain,
    ]
    rows = traced(cells, provider, tmp_path)
    tools = [row for row in rows if row["span_attributes"]["type"] == "tool"]
    tools.sort(key=lambda row: row["metrics"]["start"])
    assert [row["metadata"]["timing"] for row in tools] == ["observed"] * 5
    assert [row.get("output") for row in tools] == ["sunny", "rainy", "snowy", None, "clear"]
    assert [row.get("error") for row in tools if "error" in row] == ["KeyError: 'storm'"]


def test_a_traceback_that_is_kept_keeps_no_span_open(provider: ProviderServer, tmp_path: Path) -> None:
    cells = [
        FIRST,
        "ask('fail')",
        "for chunk in ask('in the reader', stream=True):\n    1 / 0",
        "with ask('in a block', stream=True) as stream:\n    for chunk in stream:\n        1 / 0",
        "def read():\n    for chunk in ask('deeper', stream=True):\n        raise LookupError(chunk)\nread()",
        "print(sys.last_type.__name__, sys.last_value is not None)",
    ]
    rows = traced(cells, provider, tmp_path)
    found = {str(row["input"][-1]["content"]): row for row in rows}
    assert {what: row["metadata"].get("stream_end") for what, row in found.items()} == {
        "fail": None,
        "in the reader": "dropped",
        "in a block": "closed",
        "deeper": "dropped",
    }
    assert all("end" in row["metrics"] for row in rows)
    assert found["fail"]["error"].startswith("BadRequestError")
