"""MCP: the tools that a client calls and a server runs, with the real package, in one process and in two."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import pickle
from pathlib import Path
from typing import Any

import openai
import pytest

from bttrace.spans.encode import encoded
from bttrace.testing import Captured, capture
from tests.doors import FOLDER, PYTHON, environment
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat
from tests.nested import named, nested

pytest.importorskip("mcp")

from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.client import Client
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools.tool_manager import ToolManager
from mcp.types import CallToolResult, ListToolsResult, TextContent, Tool


class Refused(Exception):
    pass


def shop() -> MCPServer:
    server = MCPServer("shop", log_level="CRITICAL")

    def search(query: str) -> str:
        """Finds pages."""
        if query == "nothing":
            raise Refused("no such thing")
        if query == "secret":
            raise ToolError("not for you")
        return f"pages about {query}"

    async def weather(city: str) -> dict[str, str]:
        await asyncio.sleep(0.01)
        return {"city": city}

    server.add_tool(search)
    server.add_tool(weather)
    return server


def told(spans: Captured, *fields: str) -> list[Any]:
    """What stands on the tools' spans as it is sent, in the order of their start."""
    rows = [json.loads(encoded(row)) for row in spans.rows if row["span_attributes"]["type"] == "tool"]
    return [
        [{**row, **row["metadata"]}.get(field) for field in fields]
        for row in sorted(rows, key=lambda row: row["metrics"]["start"])
    ]


def texts(content: Any) -> list[Any]:
    return [block["text"] for block in content]


def test_a_client_and_a_server_in_one_process_are_one_execution() -> None:
    async def main() -> list[Any]:
        async with Client(shop()) as client:
            found = await client.call_tool("search", {"query": "tea"})
            refused = await client.call_tool("search", {"query": "secret"})
            return [found.is_error, refused.is_error]

    with capture() as spans:
        assert asyncio.run(main()) == [False, True]
        assert nested(spans.rows) == ["tool.call (search)", "tool.call (search)"]
        (one, two) = told(spans, "input", "output", "error", "status")
        assert [one[0], texts(one[1]), *one[2:]] == [{"query": "tea"}, ["pages about tea"], None, "success"]
        said = "Error executing tool search: not for you"
        assert [two[0], texts(two[1]), *two[2:]] == [{"query": "secret"}, [said], said, "error"]
        context = named(spans.rows[:1], "tool.call (search)")["context"]
        assert (context["caller_functionname"], context["caller_filename"]) == ("main", __file__)


def test_what_a_client_is_given_is_as_without_us() -> None:
    async def main() -> list[Any]:
        async with Client(shop()) as client:
            tools = [tool.model_dump() for tool in (await client.list_tools()).tools]
            results = [
                (await client.call_tool(name, given)).model_dump()
                for name, given in (
                    ("search", {"query": "tea"}), ("search", {"query": "nothing"}), ("search", {"wrong": 1}),
                    ("weather", {"city": "Rome"}), ("missing", {}),
                )
            ]  # fmt: skip
            return [tools, results]

    bare = asyncio.run(main())
    with capture():
        assert asyncio.run(main()) == bare
    assert asyncio.run(main()) == bare


def test_a_servers_tools_that_are_called_in_its_process() -> None:
    server = shop()
    with capture() as spans:
        asyncio.run(server.call_tool("search", {"query": "tea"}))
        with pytest.raises(ToolError) as refused:
            asyncio.run(server.call_tool("search", {"query": "nothing"}))
        assert type(refused.value.__cause__) is Refused
        assert told(spans, "tool_name", "error", "status") == [
            ["search", None, "success"],
            ["search", "Refused: no such thing", "error"],
        ]


def test_a_server_of_the_low_level() -> None:
    async def call(_context: Any, params: Any) -> CallToolResult:
        failed = params.name == "fail"
        return CallToolResult(content=[TextContent(type="text", text=params.name)], is_error=failed)

    async def listed(_context: Any, _params: Any) -> ListToolsResult:
        tools = [Tool(name=name, input_schema={"type": "object"}) for name in ("succeed", "fail")]
        return ListToolsResult(tools=tools)

    async def main() -> None:
        async with Client(server) as client:
            for name in ("succeed", "fail"):
                await client.call_tool(name, {"a": 1})

    server: Server[Any] = Server("low", on_call_tool=call, on_list_tools=listed)
    with capture() as spans:
        asyncio.run(main())
        assert told(spans, "tool_name", "input", "error") == [
            ["succeed", {"a": 1}, None],
            ["fail", {"a": 1}, "fail"],
        ]


def test_parallel_calls() -> None:
    async def main() -> list[Any]:
        async with Client(shop()) as client:
            calls = (client.call_tool("weather", {"city": str(number)}) for number in range(10))
            return [json.loads(result.content[0].text) for result in await asyncio.gather(*calls)]

    with capture() as spans:
        assert asyncio.run(main()) == [{"city": str(number)} for number in range(10)]
        rows = told(spans, "input", "output")
    assert sorted((given["city"], json.loads(texts(output)[0])["city"]) for given, output in rows) == [
        (str(number), str(number)) for number in range(10)
    ]


def test_an_agent_whose_tools_are_a_servers(provider: ProviderServer) -> None:
    asked = [("call_1", "search", '{"query": "tea"}'), ("call_2", "weather", '{"city": "Rome"}')]
    provider.reply(chat(tool_calls=asked), chat("Tea in Rome."))

    async def main() -> None:
        client = openai.AsyncOpenAI(base_url=provider.openai_url, api_key="k", max_retries=0)
        messages: list[Any] = [{"role": "user", "content": "hi"}]
        async with client, Client(shop()) as shopping:
            listed = (await shopping.list_tools()).tools
            tools: Any = [
                {"type": "function", "function": {"name": tool.name, "parameters": tool.input_schema}}
                for tool in listed
            ]
            while True:
                answer = await client.chat.completions.create(
                    model="gpt-4o-mini", messages=messages, tools=tools
                )
                said = answer.choices[0].message
                messages.append(said)
                calls: list[Any] = list(said.tool_calls or ())
                if not calls:
                    return
                results = await asyncio.gather(
                    *(
                        shopping.call_tool(call.function.name, json.loads(call.function.arguments))
                        for call in calls
                    )
                )
                for call, result in zip(calls, results, strict=True):
                    block = result.content[0]
                    assert isinstance(block, TextContent)
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": block.text})

    with capture() as spans:
        asyncio.run(main())
        model = "llm.generation (gpt-4o-mini-2024-07-18)"
        assert nested(spans.rows) == [
            [
                "agent turn",
                ["reason (iteration 1)", model],
                ["act (iteration 1)", "tool.call (search)", "tool.call (weather)"],
                ["reason (iteration 2)", model],
            ]
        ]
        assert told(spans, "tool_call_id", "input", "timing", "status") == [
            ["call_1", {"query": "tea"}, "observed", "success"],
            ["call_2", {"city": "Rome"}, "observed", "success"],
        ]


SERVER = """
from mcp.server.mcpserver import MCPServer

server = MCPServer("shop", log_level="CRITICAL")


@server.tool()
def search(query: str) -> str:
    return f"pages about {query}"


if __name__ == "__main__":
    server.run()
"""


def test_a_server_that_is_a_process_of_its_own_tells_of_its_tools_too(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    journal = tmp_path / "journal"
    env = environment({"BTTRACE_EXPORTER": "local", "BTTRACE_JOURNAL_DIR": str(journal)}, FOLDER)
    parameters = StdioServerParameters(command=PYTHON, args=[str(tmp_path / "server.py")], env=env)

    async def main() -> str:
        async with (
            stdio_client(parameters) as (reader, writer),
            ClientSession(reader, writer) as session,
        ):
            await session.initialize()
            result = await session.call_tool("search", {"query": "tea"})
            block = result.content[0]
            assert isinstance(block, TextContent)
            return str(block.text)

    with capture() as spans:
        assert asyncio.run(main()) == "pages about tea"
        [[name, given]] = told(spans, "tool_name", "input")
        assert (name, given) == ("search", {"query": "tea"})
    [kept] = [json.loads(line) for file in journal.glob("*.jsonl") for line in file.read_text().splitlines()]
    assert (kept["span_attributes"]["name"], kept["input"]) == ("tool.call (search)", {"query": "tea"})
    assert texts(kept["output"]) == ["pages about tea"]


@pytest.mark.parametrize("owner", [Client, ClientSession, ToolManager], ids=lambda owner: owner.__name__)
def test_what_is_patched_is_as_it_was(owner: Any) -> None:
    original = vars(owner)["call_tool"]
    signature = inspect.signature(original)
    pickled = pickle.dumps(owner.call_tool)
    with capture():
        assert vars(owner)["call_tool"] is not original
        assert inspect.signature(owner.call_tool) == signature
        assert inspect.iscoroutinefunction(owner.call_tool)
        assert copy.deepcopy(owner.call_tool) is not None
        assert pickle.loads(pickle.dumps(owner.call_tool)) is not None  # noqa: S301 - our own
    assert vars(owner)["call_tool"] is original
    assert pickle.loads(pickled) is original  # noqa: S301 - our own
