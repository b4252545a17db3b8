"""The SDKs' own tool runners: each tool that they run is a span, with the id that the model gave its call."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from anthropic import beta_async_tool, beta_tool
from anthropic.lib.tools import _beta_functions, _beta_runner, _beta_session_runner
from anthropic.lib.tools._beta_builtin_memory_tool import BetaLocalFilesystemMemoryTool
from anthropic.lib.tools._toolsets._runnable import BetaRunnableToolset
from anthropic.types.beta.sessions import BetaManagedAgentsAgentCustomToolUseEvent
from openai.lib import browser, computer, decisions_tool_runner, responses_tool_runner
from openai.lib.responses_tool_runner import (
    AsyncRegisteredFunction,
    AsyncResponsesToolRunner,
    RegisteredFunction,
    ResponsesToolRunner,
)

import bttrace
from bttrace.testing import Captured, capture
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import message, message_stream, response, response_stream
from tests.loopback.reply import Reply, whole
from tests.nested import named, nested

HI: list[Any] = [{"role": "user", "content": "hi"}]
CLAUDE = "llm.generation (claude-haiku-4-5-20251001)"
GPT = "llm.generation (gpt-5-mini-2025-08-07)"
TWO = [("call_1", "search", '{"query": "tea"}'), ("call_2", "search", '{"query": "nothing"}')]


class Refused(Exception):
    pass


def search(query: str) -> str:
    """Finds pages.

    Args:
        query: what to look for
    """
    if query == "nothing":
        raise Refused("no such thing")
    return f"pages about {query}"


async def asearch(query: str) -> str:
    """Finds pages."""
    await asyncio.sleep(0)
    return search(query)


def told(spans: Captured, *fields: str) -> list[Any]:
    """What stands on the tools' spans, in the order of their start."""
    rows = [row for row in spans.rows if row["span_attributes"]["type"] == "tool"]
    return [
        [{**row, **row["metadata"]}.get(field) for field in fields]
        for row in sorted(rows, key=lambda row: row["metrics"]["start"])
    ]


def turn(model: str, *acts: list[str]) -> list[Any]:
    """A turn of so many acts, with the tools that ran in each."""
    steps: list[Any] = []
    for number, tools in enumerate((*acts, None), 1):
        steps.append([f"reason (iteration {number})", model])
        if tools:
            steps.append([f"act (iteration {number})", *(f"tool.call ({tool})" for tool in tools)])
    return [["agent turn", *steps]]


_CLIENTS: list[anthropic.Anthropic | openai.OpenAI] = []


@pytest.fixture(autouse=True)
def _closed_afterwards() -> Iterator[None]:
    yield
    while _CLIENTS:
        _CLIENTS.pop().close()


def claude(provider: ProviderServer) -> anthropic.Anthropic:
    client = anthropic.Anthropic(base_url=provider.anthropic_url, api_key="k", max_retries=0)
    _CLIENTS.append(client)
    return client


def aclaude(provider: ProviderServer) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=provider.anthropic_url, api_key="k", max_retries=0)


# Anthropic.

EXPECTED = [
    ["call_1", {"query": "tea"}, "pages about tea", None, "success", "observed"],
    [
        "call_2",
        {"query": "nothing"},
        "Refused('no such thing')",
        "Refused('no such thing')",
        "error",
        "observed",
    ],
]
FIELDS = ("tool_call_id", "input", "output", "error", "status", "timing")


@pytest.mark.parametrize("streamed", [False, True])
def test_anthropics_runner(provider: ProviderServer, streamed: bool) -> None:
    asked = message_stream([], TWO) if streamed else message(tool_calls=TWO)
    provider.reply(asked, message_stream(["Tea."]) if streamed else message("Tea."))
    tool = beta_tool(search)
    with capture() as spans:
        runner = claude(provider).beta.messages.tool_runner(
            model="claude-haiku-4-5", max_tokens=99, tools=[tool], messages=HI, stream=streamed
        )
        last: Any = None
        for step in runner:
            last = step.get_final_message() if streamed else step  # type: ignore[union-attr]
        assert last.content[0].text == "Tea."
        assert nested(spans.rows) == turn(CLAUDE, ["search", "search"])
        assert told(spans, *FIELDS) == EXPECTED
        caller = {
            row["context"]["caller_functionname"]
            for row in spans.rows
            if "caller_functionname" in row["context"]
        }
        assert caller == {"test_anthropics_runner"}


def test_anthropics_asynchronous_runner(provider: ProviderServer) -> None:
    provider.reply(message(tool_calls=TWO), message("Tea."))

    async def main() -> Any:
        async with aclaude(provider) as client:
            runner = client.beta.messages.tool_runner(
                model="claude-haiku-4-5",
                max_tokens=99,
                tools=[beta_async_tool(asearch, name="search")],
                messages=HI,
            )
            return await runner.until_done()

    with capture() as spans:
        assert asyncio.run(main()).content[0].text == "Tea."
        assert nested(spans.rows) == turn(CLAUDE, ["search", "search"])
        assert told(spans, *FIELDS) == EXPECTED


def test_tools_that_run_while_the_answer_streams(provider: ProviderServer) -> None:
    provider.reply(message_stream([], TWO), message_stream(["Tea."]))
    with capture() as spans:
        runner = claude(provider).beta.messages.tool_runner(
            model="claude-haiku-4-5", max_tokens=99, tools=[beta_tool(search)], messages=HI,
            stream=True, run_tools_eagerly=True,
        )  # fmt: skip
        for stream in runner:
            for _ in stream:
                pass
        assert nested(spans.rows) == turn(CLAUDE, ["search", "search"])
        assert told(spans, *FIELDS) == EXPECTED


def test_a_tool_that_comes_with_the_sdk(provider: ProviderServer, tmp_path: Path) -> None:
    given = {"command": "create", "path": "/memories/tea.txt", "file_text": "green"}
    provider.reply(message(tool_calls=[("call_1", "memory", json.dumps(given))]), message("Kept."))
    with capture() as spans:
        runner = claude(provider).beta.messages.tool_runner(
            model="claude-haiku-4-5", max_tokens=99, messages=HI,
            tools=[BetaLocalFilesystemMemoryTool(str(tmp_path))],
        )  # fmt: skip
        runner.until_done()
        assert nested(spans.rows) == turn(CLAUDE, ["memory"])
        assert told(spans, "tool_call_id", "input", "status") == [["call_1", given, "success"]]
        assert "tea.txt" in told(spans, "output")[0][0]


class Screen(BetaRunnableToolset):
    toolset_name = "computer"

    def to_dict(self) -> Any:
        return {"type": "computer_toolset_20260801", "display_width_px": 100, "display_height_px": 100}

    def call(self, context: Any, name: str, input: Any) -> str:  # noqa: A002 - as the SDK has it
        if name == "type":
            raise Refused("no keyboard")
        return f"{name} at {input['x']}"


def test_a_toolset(provider: ProviderServer) -> None:
    asked = message(tool_calls=[("call_1", "click", '{"x": 3}'), ("call_2", "type", '{"text": "a"}')])
    whole_answer = json.loads(asked.body)
    for block in whole_answer["content"]:
        block["toolset_name"] = "computer"
    provider.reply(whole(whole_answer, {}), message("Done."))
    with capture() as spans:
        runner = claude(provider).beta.messages.tool_runner(
            model="claude-haiku-4-5", max_tokens=99, tools=[Screen()], messages=HI
        )
        runner.until_done()
        assert nested(spans.rows) == turn(CLAUDE, ["click", "type"])
        assert told(spans, "tool_call_id", "input", "output", "status") == [
            ["call_1", {"x": 3}, "click at 3", "success"],
            ["call_2", {"text": "a"}, "Refused('no keyboard')", "error"],
        ]
        assert told(spans, "error")[1] == ["Refused('no keyboard')"]


def test_a_tool_of_anthropics_that_the_application_runs_itself(provider: ProviderServer) -> None:
    provider.reply(message(tool_calls=TWO[:1]), message("Tea."))
    tool = beta_tool(search)
    with capture() as spans:
        client = claude(provider)
        messages: list[Any] = list(HI)
        first = client.beta.messages.create(
            model="claude-haiku-4-5", max_tokens=99, tools=[tool.to_dict()], messages=messages
        )
        block = first.content[0]
        assert block.type == "tool_use"
        result: Any = {"type": "tool_result", "tool_use_id": block.id, "content": tool.call(block.input)}
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        client.beta.messages.create(
            model="claude-haiku-4-5", max_tokens=99, tools=[tool.to_dict()], messages=messages
        )
        with pytest.raises(Refused) as refused:
            tool.call({"query": "nothing"})
        assert str(refused.value) == "no such thing"
        assert nested(spans.rows) == [*turn(CLAUDE, ["search"]), "tool.call (search)"]
        assert told(spans, *FIELDS) == [
            EXPECTED[0],
            [None, {"query": "nothing"}, None, "Refused: no such thing", "error", "observed"],
        ]


def test_a_tool_of_a_managed_session(provider: ProviderServer) -> None:
    event: Any = BetaManagedAgentsAgentCustomToolUseEvent.construct(
        id="sevt_1", name="search", input={"query": "tea"}, type="agent.custom_tool_use"
    )

    async def main() -> Any:
        async with aclaude(provider) as client:
            tool = beta_tool(search)
            runner = client.beta.sessions.events.tool_runner("sesn_1", tools=[tool])
            return await runner._call_tool(tool, event, dict(event.input))

    with capture() as spans:
        answer, _ = asyncio.run(main())
        assert (answer["custom_tool_use_id"], answer["is_error"]) == ("sevt_1", False)
        assert told(spans, "tool_call_id", "input", "status") == [["sevt_1", {"query": "tea"}, "success"]]


def test_a_model_call_inside_a_tool_nests_under_it(provider: ProviderServer) -> None:
    client = claude(provider)

    @beta_tool
    def ask(question: str) -> str:
        """Asks another model."""
        answer = client.messages.create(
            model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": question}]
        )
        block = answer.content[0]
        assert block.type == "text"
        return block.text

    provider.reply(
        message(tool_calls=[("call_1", "ask", '{"question": "why"}')]), message("so"), message("Done.")
    )
    with capture() as spans:
        client.beta.messages.tool_runner(
            model="claude-haiku-4-5", max_tokens=99, tools=[ask], messages=HI
        ).until_done()
        [[_, _, act, _]] = nested(spans.rows)
        assert act == ["act (iteration 1)", ["tool.call (ask)", ["task:ask", CLAUDE]]]
        assert named(spans.rows, "tool.call (ask)")["output"] == "so"


# OpenAI.

TOOL: Any = {
    "type": "function",
    "name": "search",
    "description": "Finds pages.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"query": {"type": "string"}},
        "required": ["query"],
        "additionalProperties": False,
    },
}
ASKED: Any = {"model": "gpt-5-mini", "input": "hi"}


def found(given: dict[str, Any]) -> str:
    return search(**given)


def gpt(provider: ProviderServer) -> openai.OpenAI:
    client = openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0)
    _CLIENTS.append(client)
    return client


def agpt(provider: ProviderServer) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=provider.openai_url, api_key="k", max_retries=0)


@pytest.mark.parametrize("streamed", [False, True])
def test_openais_runner_of_responses(provider: ProviderServer, streamed: bool) -> None:
    build: Any = response_stream if streamed else response
    provider.reply(
        build(tool_calls=TWO[:1], id="resp_1"), build(["Tea."] if streamed else "Tea.", id="resp_2")
    )
    function = RegisteredFunction(TOOL, found, independent=True)
    with capture() as spans:
        answer = ResponsesToolRunner(functions=[function]).run(
            gpt(provider), ASKED, max_steps=4, stream=streamed, eager=streamed
        )
        assert answer.output_text == "Tea."
        assert nested(spans.rows) == turn(GPT, ["search"])
        assert told(spans, *FIELDS) == EXPECTED[:1]
        caller = {
            row["context"]["caller_functionname"]
            for row in spans.rows
            if "caller_functionname" in row["context"]
        }
        assert caller <= {"test_openais_runner_of_responses"}


def test_parallel_calls_of_openais_asynchronous_runner(provider: ProviderServer) -> None:
    calls = [(f"call_{number}", "search", json.dumps({"query": str(number)})) for number in range(4)]
    provider.reply(response_stream(tool_calls=calls, id="resp_1"), response_stream(["Tea."], id="resp_2"))
    begun: list[int] = []

    async def slow(given: dict[str, Any]) -> str:
        begun.append(len(begun))
        await asyncio.sleep(0.02)
        return await asearch(**given)

    async def main() -> Any:
        async with agpt(provider) as client:
            function = AsyncRegisteredFunction(TOOL, slow, independent=True)
            runner = AsyncResponsesToolRunner(functions=[function])
            return await runner.run(
                client, ASKED, max_steps=4, stream=True, eager=True, max_concurrent_calls=4
            )

    with capture() as spans:
        assert asyncio.run(main()).output_text == "Tea."
        assert nested(spans.rows) == turn(GPT, ["search"] * 4)
        assert sorted(told(spans, "tool_call_id", "input", "output")) == [
            [f"call_{number}", {"query": str(number)}, f"pages about {number}"] for number in range(4)
        ]


def test_a_function_that_fails_in_openais_runner(provider: ProviderServer) -> None:
    provider.reply(response(tool_calls=TWO[1:], id="resp_1"))
    seen: list[BaseException] = []

    def failing(given: dict[str, Any]) -> str:
        try:
            return search(**given)
        except Refused as error:
            seen.append(error)
            raise

    with capture() as spans:
        with pytest.raises(responses_tool_runner.ToolRunnerError):
            ResponsesToolRunner(functions=[RegisteredFunction(TOOL, failing)]).run(
                gpt(provider), ASKED, max_steps=4
            )
        assert len(seen) == 1
        assert told(spans, "tool_call_id", "error", "status") == [
            ["call_2", "Refused: no such thing", "error"]
        ]


class Driver:
    """A computer that does nothing."""

    def click(self, action: Any) -> None:
        if action.x == 0:
            raise Refused("off the screen")

    double_click = drag = keypress = move = scroll = type = wait = click

    def screenshot(self) -> Any:
        return {"type": "computer_screenshot", "file_id": "file_1"}


def computer_call(x: int) -> Reply:
    reply = json.loads(response("", id="resp_1").body)
    reply["output"] = [
        {
            "type": "computer_call", "id": "cu_1", "call_id": "call_1", "status": "completed",
            "pending_safety_checks": [], "actions": [{"type": "click", "x": x, "y": 2, "button": "left"}],
        }
    ]  # fmt: skip
    return whole(reply, {})


def test_openais_computer(provider: ProviderServer) -> None:
    provider.reply(computer_call(1), response("Clicked.", id="resp_2"))
    driver: Any = Driver()
    with capture() as spans:
        toolset = computer.ComputerToolset(driver)
        asked: Any = {**ASKED, "tools": [{"type": "computer"}]}
        assert toolset.run(gpt(provider), asked, before_action=lambda _: True).output_text == "Clicked."
        assert nested(spans.rows) == turn(GPT, ["computer"])
        seen = {"type": "computer_screenshot", "file_id": "file_1"}
        assert told(spans, "tool_call_id", "output", "status") == [["call_1", seen, "success"]]


def test_openais_computer_that_fails(provider: ProviderServer) -> None:
    provider.reply(computer_call(0))
    driver: Any = Driver()
    asked: Any = {**ASKED, "tools": [{"type": "computer"}]}
    with capture() as spans:
        with pytest.raises(Refused, match="off the screen"):
            computer.ComputerToolset(driver).run(gpt(provider), asked, before_action=lambda _: True)
        assert told(spans, "tool_name", "tool_call_id", "error") == [
            ["computer", "call_1", "Refused: off the screen"]
        ]


class Pages:
    """A browser of one page."""

    def state(self) -> Any:
        return {"tabs": [{"id": "tab_1", "url": "https://example.com/", "title": "Example", "active": True}]}

    def navigate(self, action: Any) -> None:
        return None


def test_openais_browser(provider: ProviderServer) -> None:
    driver: Any = Pages()
    toolset = browser.BrowserToolset(driver, members=["list_tabs"])
    [name] = [tool["name"] for tool in toolset.tools if "list_tabs" in tool["name"]]
    provider.reply(response(tool_calls=[("call_1", name, "{}")], id="resp_1"), response("One.", id="resp_2"))
    with capture() as spans:
        answer = ResponsesToolRunner(browser=toolset).run(gpt(provider), ASKED, max_steps=4)
        assert answer.output_text == "One."
        assert nested(spans.rows) == turn(GPT, [name])
        [[call, output, status]] = told(spans, "tool_call_id", "output", "status")
        assert (call, status) == ("call_1", "success")
        assert "example.com" in json.dumps(output)


def decided(choice: str) -> Reply:
    answers = [
        {
            "type": "choice", "name": "next_action", "choice": choice, "confidence": 0.9,
            "probabilities": [{"value": choice, "probability": 0.9}],
        }
    ]  # fmt: skip
    usage = {
        "input_tokens": 9, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 11,
    }  # fmt: skip
    return whole({"model": "gpt-6-luna", "answers": answers, "usage": usage}, {})


def candidates(act: Callable[[], Any]) -> Callable[[Any], list[Any]]:
    return lambda _: [
        {"id": "press", "description": "Press it.", "execute": act},
        {"id": "done", "description": "Done.", "done": True},
    ]


def test_openais_runner_of_decisions(provider: ProviderServer) -> None:
    provider.reply(decided("press"), decided("done"))
    asked: Any = {"model": "gpt-6-luna", "input": "press it"}
    with capture() as spans:
        runner = decisions_tool_runner.DecisionsToolRunner(
            observe=lambda: "a button", candidates=candidates(lambda: "pressed"), verify=lambda _: True
        )
        assert runner.run(gpt(provider), asked)["status"] == "verified"
        assert told(spans, "tool_name", "input", "output", "status") == [["press", {}, "pressed", "success"]]
        assert nested(spans.rows).count("tool.call (press)") == 1


def test_openais_asynchronous_runner_of_decisions(provider: ProviderServer) -> None:
    provider.reply(decided("press"), decided("press"))
    asked: Any = {"model": "gpt-6-luna", "input": "press it"}
    pressed: list[int] = []

    async def press() -> str:
        await asyncio.sleep(0)
        pressed.append(1)
        if len(pressed) == 2:
            raise Refused("pressed already")
        return "pressed"

    async def observe() -> str:
        return "a button"

    async def main() -> None:
        async with agpt(provider) as client:
            runner = decisions_tool_runner.AsyncDecisionsToolRunner(
                observe=observe, candidates=_later(candidates(press))
            )
            with pytest.raises(decisions_tool_runner.DecisionsToolRunnerError):
                await runner.run(client, asked)

    with capture() as spans:
        asyncio.run(main())
        assert told(spans, "tool_name", "output", "error") == [
            ["press", "pressed", None],
            ["press", None, "Refused: pressed already"],
        ]


def _later(provider: Callable[[Any], Any]) -> Any:
    async def given(observation: Any) -> Any:
        return provider(observation)

    return given if inspect.iscoroutinefunction(given) else None


# What is patched.

PATCHED: list[tuple[Any, str]] = [
    (_beta_runner.BaseSyncToolRunner, "_run_tool"),
    (_beta_runner.BaseAsyncToolRunner, "_run_tool"),
    (_beta_runner.BaseSyncToolRunner, "_run_toolset_member"),
    (_beta_runner.BaseAsyncToolRunner, "_run_toolset_member"),
    (_beta_session_runner.SessionToolRunner, "_call_tool"),
    (_beta_functions.BetaFunctionTool, "call"),
    (_beta_functions.BetaAsyncFunctionTool, "call"),
    (responses_tool_runner.ResponsesToolRunner, "_execute_function"),
    (responses_tool_runner.AsyncResponsesToolRunner, "_execute_function"),
    (browser.BrowserToolset, "_execute"),
    (browser.AsyncBrowserToolset, "_execute"),
    (computer.ComputerToolset, "_dispatch"),
    (computer.AsyncComputerToolset, "_dispatch"),
    (decisions_tool_runner, "invoke"),
]


@pytest.mark.parametrize(("owner", "name"), PATCHED, ids=lambda value: getattr(value, "__name__", value))
def test_what_is_patched_is_as_it_was(owner: Any, name: str) -> None:
    original = vars(owner)[name]
    signature = inspect.signature(original)
    pickled = pickle.dumps(getattr(owner, name))
    with capture():
        patched = getattr(owner, name)
        assert vars(owner)[name] is not original
        assert inspect.signature(patched) == signature
        assert inspect.iscoroutinefunction(patched) == inspect.iscoroutinefunction(original)
        assert copy.deepcopy(patched) is not None
        assert pickle.loads(pickle.dumps(patched)) is not None  # noqa: S301 - our own
    assert vars(owner)[name] is original
    assert pickle.loads(pickled) is original  # noqa: S301 - our own


def test_a_tools_schema_is_as_without_us() -> None:
    bare = beta_tool(search).to_dict()
    with capture():
        tool = beta_tool(search)
        assert tool.to_dict() == bare
        assert tool("tea") == "pages about tea"
        assert inspect.signature(tool.call) == inspect.signature(
            _beta_functions.BetaFunctionTool.call.__get__(tool)
        )
        assert copy.copy(tool).to_dict() == bare
        with pytest.raises(ValueError, match="Invalid arguments for function search"):
            tool.call({"query": 1})


def test_status_names_the_packages_and_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with capture():
        seen = {seen.sdk: seen.missing for seen in bttrace.status().tools}
        assert (seen["anthropic"], seen["openai"]) == ((), ())
        assert "tools of anthropic" in str(bttrace.status())
    monkeypatch.delattr(_beta_functions.BetaFunctionTool, "call")
    with capture():
        seen = {seen.sdk: seen.missing for seen in bttrace.status().tools}
        assert seen["anthropic"] == ("anthropic.lib.tools._beta_functions.BetaFunctionTool.call",)
    said = "could not be patched. The application is not affected."
    assert capsys.readouterr().err.count(said) == 1
