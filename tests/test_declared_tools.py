"""The tools that `BTTRACE_TOOLS` names: everything that a name can stand for is observed, and is as it was."""

from __future__ import annotations

import asyncio
import copy
import importlib
import inspect
import json
import pickle
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import openai
import pydantic
import pytest
from anthropic import beta_tool

import bttrace
from bttrace.testing import Captured, capture
from tests.doors import FOLDER, PYTHON, environment, finished
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat
from tests.nested import named, nested

SOURCE = '''
"""The tools of an application."""
import asyncio, enum, functools
import openai


class Refused(Exception):
    pass


def search(query: str, limit: int = 3) -> str:
    """Finds pages.

    Args:
        query: what to look for
    """
    if query == "nothing":
        raise Refused("no such thing")
    return f"{limit} pages about {query}"


async def weather(city: str) -> dict:
    await asyncio.sleep(0)
    if city == "nowhere":
        raise Refused("no such city")
    return {"city": city}


def count(upto: int):
    for number in range(upto):
        received = yield number
        if received:
            yield received
    return "counted"


async def acount(upto: int):
    for number in range(upto):
        await asyncio.sleep(0)
        yield number


def lead(client, question):
    return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": question}])


class Adder:
    name = "add"
    description = "Adds."

    def __init__(self, more):
        self.more = more

    def run(self, a, b=1):
        return a + b + self.more


class Toolbox:
    def hammer(self, nail):
        return f"hit {nail}"

    @staticmethod
    def saw(plank):
        return f"cut {plank}"

    @classmethod
    def drill(cls, wall):
        return f"{cls.__name__} drilled {wall}"

    def _private(self):
        return "private"


class Kinds:
    class Inner:
        def look(self, at):
            return at


class Careful(dict):
    def __setitem__(self, key, value):
        raise RuntimeError("registered already")


adder = Adder(10)
other = Adder(100)
box = Toolbox()
half = functools.partial(search, limit=1)
cached = functools.lru_cache(search)
REGISTRY = {"search": search, "weather": weather, "count": count, "acount": acount, "add": adder, "lead": lead}
NESTED = {"search": {"description": "Finds.", "function": search}, "two": {"one": search, "other": lead}}
CAREFUL = Careful(search=search)
LISTED = [search, weather, adder, half]
NUMBERS = [1, 2]
spaces = Kinds()
'''


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], ModuleType]]:
    """Gives what imports the application's tools anew."""
    (tmp_path / "shop_tools.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield lambda: importlib.import_module("shop_tools")
    sys.modules.pop("shop_tools", None)


def told(spans: Captured, *fields: str) -> list[Any]:
    """What stands on the tools' spans, in the order of their start."""
    rows = [row for row in spans.rows if row["span_attributes"]["type"] == "tool"]
    wanted = fields or ("name", "input", "output", "error", "status")
    return [
        [{**row, **row["metadata"], "name": row["span_attributes"]["name"]}.get(field) for field in wanted]
        for row in sorted(rows, key=lambda row: row["metrics"]["start"])
    ]


def test_a_dict_of_tools_in_a_loop_of_the_applications_own(
    tools: Callable[[], ModuleType], provider: ProviderServer
) -> None:
    asked = [("call_1", "search", '{"query": "tea"}'), ("call_2", "weather", '{"city": "Rome"}')]
    provider.reply(chat(tool_calls=asked), chat("Tea in Rome."))
    with capture(tools="shop_tools:REGISTRY") as spans:
        registry = tools().REGISTRY
        client = openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0)
        messages: list[Any] = [{"role": "user", "content": "hi"}]
        offered: Any = [
            {"type": "function", "function": {"name": name, "parameters": {}}} for name in registry
        ]
        while True:
            answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=offered)
            said = answer.choices[0].message
            messages.append(said)
            if not said.tool_calls:
                break
            for call in said.tool_calls:
                assert call.type == "function"
                result = registry[call.function.name](**json.loads(call.function.arguments))
                if inspect.isawaitable(result):
                    result = asyncio.run(_of(result))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": str(result)})
        client.close()
        rows = spans.rows
    model = "llm.generation (gpt-4o-mini-2024-07-18)"
    assert nested(rows) == [
        [
            "agent turn",
            ["reason (iteration 1)", model],
            ["act (iteration 1)", "tool.call (search)", "tool.call (weather)"],
            ["reason (iteration 2)", model],
        ]
    ]
    search, weather = named(rows, "tool.call (search)"), named(rows, "tool.call (weather)")
    assert (search["input"], search["output"]) == ({"query": "tea"}, "3 pages about tea")
    assert (weather["input"], weather["output"]) == ({"city": "Rome"}, {"city": "Rome"})
    assert [row["metadata"] for row in (search, weather)] == [
        {"tool_name": name, "tool_call_id": call, "timing": "observed", "status": "success"}
        for name, call in (("search", "call_1"), ("weather", "call_2"))
    ]
    assert (
        search["context"]["caller_functionname"] == "test_a_dict_of_tools_in_a_loop_of_the_applications_own"
    )


async def _of(awaitable: Any) -> Any:
    return await awaitable


def test_what_fails_raises_its_own_exception(tools: Callable[[], ModuleType]) -> None:
    with capture(tools="shop_tools:REGISTRY,shop_tools:weather") as spans:
        module = tools()
        with pytest.raises(module.Refused, match="no such thing") as sync:
            module.REGISTRY["search"]("nothing")
        with pytest.raises(module.Refused, match="no such city"):
            asyncio.run(module.weather("nowhere"))
        with pytest.raises(TypeError, match="unexpected keyword argument 'nowhere'"):
            module.weather(nowhere=1)
        assert type(sync.value) is module.Refused
        assert told(spans) == [
            ["tool.call (search)", {"query": "nothing"}, None, "Refused: no such thing", "error"],
            ["tool.call (weather)", {"city": "nowhere"}, None, "Refused: no such city", "error"],
        ]


def test_a_generators_span_covers_its_iteration_and_its_context_only_its_own_code(
    tools: Callable[[], ModuleType],
) -> None:
    with capture(tools="shop_tools:count,shop_tools:search") as spans:
        module = tools()
        numbers: Any = module.count(3)
        assert inspect.isgenerator(module.count(3))
        assert not told(spans)
        assert next(numbers) == 0
        module.search("between")  # by who reads it, not by the generator
        sent: Any = numbers  # `isgenerator` has narrowed its type
        assert sent.send("extra") == "extra"
        with pytest.raises(StopIteration) as stop:
            while True:
                next(numbers)
        assert stop.value.value == "counted"
        left = module.count(9)
        assert next(left) == 0
        left.close()
        thrown = module.count(9)
        next(thrown)
        error = ValueError("mine")
        with pytest.raises(ValueError, match="mine") as raised:
            thrown.throw(error)
        assert raised.value is error
        rows = spans.rows
    assert nested(rows) == [
        "tool.call (count)",
        "tool.call (search)",
        "tool.call (count)",
        "tool.call (count)",
    ]
    first, _, closed, failed = sorted(rows, key=lambda row: row["metrics"]["start"])
    assert first["output"]["returned"] == "counted"
    assert first["output"]["yielded"] == [0, "extra", 1, 2]
    assert (closed["output"], closed["metadata"]["status"]) == ([0], "success")
    assert (failed["error"], failed["metadata"]["status"]) == ("ValueError: mine", "error")


def test_an_asynchronous_generator(tools: Callable[[], ModuleType]) -> None:
    async def main(module: ModuleType) -> list[int]:
        assert inspect.isasyncgen(module.acount(1))
        first = [number async for number in module.acount(3)]
        async for number in module.acount(9):
            first.append(number)
            break
        await asyncio.sleep(0.01)  # the loop closes what was left
        return first

    with capture(tools="shop_tools:acount") as spans:
        assert asyncio.run(main(tools())) == [0, 1, 2, 0]
        assert told(spans, "input", "output", "status") == [
            [{"upto": 3}, [0, 1, 2], "success"],
            [{"upto": 9}, [0], "success"],
        ]


def test_a_model_call_inside_a_tool_nests_under_it(
    tools: Callable[[], ModuleType], provider: ProviderServer
) -> None:
    provider.reply(chat("yes"))
    with capture(tools="shop_tools:REGISTRY") as spans:
        client = openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0)
        tools().REGISTRY["lead"](client, "well?")
        client.close()
        assert nested(spans.rows) == [
            ["tool.call (lead)", ["task:lead", "llm.generation (gpt-4o-mini-2024-07-18)"]]
        ]


@pytest.mark.parametrize(
    ("names", "call", "expected"),
    [
        ("search", lambda m: m.search("a", 5), ["search", {"query": "a", "limit": 5}, "5 pages about a"]),
        ("half", lambda m: m.half("a"), ["half", {"query": "a"}, "1 pages about a"]),
        ("cached", lambda m: m.cached("a"), ["cached", {"query": "a"}, "3 pages about a"]),
        ("adder", lambda m: (m.adder.run(1), m.other.run(1))[0], ["add", {"a": 1}, 12]),
        ("adder.run", lambda m: (m.adder.run(1, b=2), m.other.run(1))[0], ["run", {"a": 1, "b": 2}, 13]),
        ("Adder", lambda m: m.Adder(5).run(1), ["add", {"a": 1}, 7]),
        (
            "box",
            lambda m: (m.box.hammer("it"), m.Toolbox().hammer("no"))[0],
            ["hammer", {"nail": "it"}, "hit it"],
        ),
        ("Toolbox", lambda m: m.Toolbox().hammer("it"), ["hammer", {"nail": "it"}, "hit it"]),
        ("Toolbox", lambda m: m.Toolbox.saw("it"), ["saw", {"plank": "it"}, "cut it"]),
        ("Toolbox", lambda m: m.Toolbox.drill("it"), ["drill", {"wall": "it"}, "Toolbox drilled it"]),
        ("Toolbox.saw", lambda m: m.Toolbox.saw("it"), ["saw", {"plank": "it"}, "cut it"]),
        ("spaces.Inner", lambda m: m.Kinds.Inner().look(1), ["look", {"at": 1}, 1]),
        (
            "NESTED",
            lambda m: m.NESTED["search"]["function"]("a"),
            ["search", {"query": "a"}, "3 pages about a"],
        ),
        ("CAREFUL", lambda m: m.CAREFUL["search"]("a"), ["search", {"query": "a"}, "3 pages about a"]),
        ("LISTED", lambda m: m.LISTED[0]("a"), ["search", {"query": "a"}, "3 pages about a"]),
        ("LISTED", lambda m: m.LISTED[2].run(1), ["add", {"a": 1}, 12]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_all_that_a_name_can_stand_for(
    tools: Callable[[], ModuleType], names: str, call: Callable[[Any], Any], expected: list[Any]
) -> None:
    with capture(tools=f"shop_tools:{names}") as spans:
        module = tools()
        module.Toolbox()._private()
        assert call(module) == expected[2]
        assert told(spans, "tool_name", "input", "output") == [expected]
    assert call(module) == expected[2]


def test_everything_is_put_back(tools: Callable[[], ModuleType]) -> None:
    def state(module: ModuleType) -> list[Any]:
        holders: list[Any] = [vars(module), vars(module.Adder), vars(module.Toolbox), vars(module.adder)]
        held = [{name: id(value) for name, value in holder.items()} for holder in holders]
        registries = [
            module.REGISTRY,
            module.NESTED["search"],
            dict(enumerate(module.LISTED)),
            module.CAREFUL,
        ]
        return [*held, *({key: id(value) for key, value in one.items()} for one in registries)]

    module = tools()
    before = state(module)
    everything = "REGISTRY,NESTED,CAREFUL,LISTED,search,weather,half,cached,adder,other.run,Toolbox,box"
    with capture(tools=",".join(f"shop_tools:{name}" for name in everything.split(","))) as spans:
        assert state(module) != before
        assert type(module.REGISTRY) is dict
        assert list(module.REGISTRY) == ["search", "weather", "count", "acount", "add", "lead"]
        module.REGISTRY["search"]("a")  # a dict's, and a module's in it: one execution
        assert told(spans, "tool_name") == [["search"]]
    assert state(module) == before
    assert bttrace.status().left_behind == ()


def test_what_is_replaced_is_as_the_original(tools: Callable[[], ModuleType]) -> None:
    module = tools()
    originals = dict(module.REGISTRY)
    schema = beta_tool(originals["search"]).to_dict()
    arguments = pydantic.TypeAdapter(originals["search"]).json_schema()
    pickled = {name: pickle.dumps(tool) for name, tool in originals.items()}
    with capture(tools="shop_tools:REGISTRY,shop_tools:search"):
        for name, tool in module.REGISTRY.items():
            original = originals[name]
            assert tool == original
            assert isinstance(tool, type(original))
            for question in (
                inspect.iscoroutinefunction,
                inspect.isgeneratorfunction,
                inspect.isasyncgenfunction,
                inspect.isfunction,
                callable,
            ):
                assert question(tool) == question(original)
            if inspect.isfunction(original):
                assert inspect.signature(tool) == inspect.signature(original)
                assert inspect.getsource(tool) == inspect.getsource(original)
                assert (tool.__name__, tool.__doc__) == (original.__name__, original.__doc__)
                assert copy.copy(tool) is tool
                assert pickle.loads(pickle.dumps(tool)) == original  # noqa: S301 - our own
        assert set(pickle.loads(pickle.dumps(module.REGISTRY))) == set(originals)  # noqa: S301 - our own
        assert copy.deepcopy(module.REGISTRY).keys() == originals.keys()
        assert pickle.dumps(module.search) == pickled["search"]
        assert beta_tool(module.search).to_dict() == schema
        assert pydantic.TypeAdapter(module.REGISTRY["search"]).json_schema() == arguments
    assert {name: pickle.dumps(tool) for name, tool in module.REGISTRY.items()} == pickled


def test_parallel_calls_are_each_an_execution(tools: Callable[[], ModuleType]) -> None:
    with capture(tools="shop_tools:REGISTRY") as spans:
        registry = tools().REGISTRY
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(registry["search"], map(str, range(20))))
        assert found == [f"3 pages about {number}" for number in range(20)]

        async def main() -> list[Any]:
            return list(await asyncio.gather(*(registry["weather"](str(number)) for number in range(20))))

        assert asyncio.run(main()) == [{"city": str(number)} for number in range(20)]
        inputs = [given for (given,) in told(spans, "input")]
    assert sorted(inputs, key=str) == sorted(
        [{"query": str(number)} for number in range(20)] + [{"city": str(number)} for number in range(20)],
        key=str,
    )


def test_a_module_that_is_loaded_again_is_wrapped_again(tools: Callable[[], ModuleType]) -> None:
    with capture(tools="shop_tools:REGISTRY,shop_tools:search") as spans:
        module = tools()
        importlib.reload(module)
        module.search("a")
        module.REGISTRY["weather"]
        assert told(spans, "tool_name") == [["search"]]
    assert bttrace.status().left_behind == ()
    assert type(module.search) is type(_of)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("shop_tools:missing", "module 'shop_tools' has no 'missing'"),
        ("shop_tools:box.missing", "module 'shop_tools' has no 'box.missing'"),
        ("shop_tools:NUMBERS", "'NUMBERS' is of type list, in which no tool is found"),
        ("shop_tools:__doc__", "'__doc__' is of type str, in which no tool is found"),
        (
            "no_such_package.tools:search",
            "there is no module 'no_such_package.tools' on the application's Python path",
        ),
    ],
)
def test_a_name_that_is_no_tools_is_said_once(
    tools: Callable[[], ModuleType], capsys: pytest.CaptureFixture[str], value: str, why: str
) -> None:
    with capture(tools=f"{value},shop_tools:search") as spans:
        module = importlib.reload(tools())
        module.search("a")
        assert told(spans, "tool_name") == [["search"]]
    remedy = "name a dict, list, object, class or function as module:attribute, as the application imports it"
    said = f"bttrace: BTTRACE_TOOLS={value!r} is not valid: {why}; {remedy}. It is ignored.\n"
    assert capsys.readouterr().err == said


def test_a_value_that_is_no_name_is_refused(tmp_path: Path) -> None:
    env = environment({"BTTRACE_EXPORTER": "local", "BTTRACE_TOOLS": "shop tools"}, FOLDER)
    done = finished([PYTHON, "-c", "pass"], env, tmp_path)
    assert (done.code, done.out) == (0, "")
    assert "BTTRACE_TOOLS='shop tools' is not valid: it must be module:ATTRIBUTE" in done.err


def test_status_names_what_it_waits_for(tools: Callable[[], ModuleType]) -> None:
    with capture(tools="shop_tools:search"):
        assert "shop_tools:search" in bttrace.status().waiting_for
        tools()
        assert "shop_tools:search" not in bttrace.status().waiting_for


def test_the_variable_and_no_sdk_at_all(tmp_path: Path) -> None:
    (tmp_path / "plain_tools.py").write_text("def search(query):\n    return query * 2\n")
    code = (
        "import sys, plain_tools\n"
        "print(plain_tools.search('ab'), 'openai' in sys.modules)\n"
        "import bttrace; bttrace.flush()\n"
        "print(bttrace.status().sinks['local'].kept)\n"
    )
    env = environment({"BTTRACE_EXPORTER": "local", "BTTRACE_TOOLS": "plain_tools:search"}, FOLDER, tmp_path)
    done = finished([PYTHON, "-c", code], env, tmp_path)
    assert (done.code, done.out, done.err) == (0, "abab False\n1\n", "")


def test_a_partial_in_a_list_keeps_what_it_is(tools: Callable[[], ModuleType]) -> None:
    with capture(tools="shop_tools:LISTED") as spans:
        half = tools().LISTED[3]
        assert isinstance(half, partial)
        assert half("a") == "1 pages about a"
        assert told(spans, "input", "output") == [[{"query": "a"}, "1 pages about a"]]
