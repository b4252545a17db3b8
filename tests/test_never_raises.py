"""Faults of our own never reach the application: every internal function is made to raise, one at a time."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import anthropic
import openai
import pytest

import bttrace
from bttrace import guard, patch, session
from bttrace.process import forks
from bttrace.record import Recorder
from bttrace.seams.finding.discovery import Discovery
from tests.loopback import replies
from tests.loopback.provider import ProviderServer

# The application's own call runs through these, and they do nothing but pass it on and call guarded functions.
PASSING_ON = {
    "Seam._request", "Seam._arequest", "Seam._build_request", "Seam._process_response", "Readings.closing", "Readings._raw_closing",
    "followed", "afollowed", "tapped", "atapped", "_tapped", "_Tapped.__init__", "_Tapped.__aiter__", "_Tapped.__anext__", "Executions.run", "StandIns._called", "_submitted",
    "ImportHook.find_spec", "_found_by_others", "Watch.__del__", "_Loader.__getattr__", "_Loader.create_module", "_Loader.exec_module",
}  # fmt: skip
# The guard itself; and what only a person asks for, and answers to a person.
NOT_INSIDE = {"bttrace.guard", "bttrace.log", "bttrace.testing", "bttrace.report", "bttrace.run", "bttrace.show",
              "bttrace.path", "bttrace.__main__", "bttrace.spans.tree", "bttrace.journal", "bttrace.sinks.console",
              "bttrace"}  # fmt: skip
# What the program below has no use for: a fault there would be none. Connections have their own (`test_connection_faults`).
NOT_REACHED = (
    "bttrace.registries.", "bttrace.extensions",
    *(f"bttrace.providers.{name}" for name in (
        "groq", "together", "cerebras", "writerai", "llama_api_client", "fireworks", "perplexity", "sambanova",
        "anthropic.batches", "anthropic.completions", "anthropic.tokens",
    )),
    *(f"bttrace.providers.openai.{name}" for name in (
        "assistants", "audio", "batches", "completions", "embeddings", "images", "moderations", "realtime", "videos",
    )),
    *(f"bttrace.seams.{name}" for name in (
        "runs", "workflows", "declared", "tools", "websockets.exchange", "observed", "parameters", "websockets.traffic", "websockets.watches",
    )),
    *(f"bttrace.{name}" for name in (
        "spans.base64_text", "process.children", "spans.content_types", "env_file", "process.fork_warning", "hidden", "installed", "replay", "screens.sampling",
        "process.serverless", "speech", "providers.conversations.realtime", "providers.openai.rules",
    )),
    # So have requests of web frameworks and tasks of queues (`test_web_faults`).
    *(f"bttrace.seams.{name}:" for name in (
        "asgi", "entrances", "errands", "frameworks", "incoming", "outgoing", "queues", "requests", "wsgi",
    )), "bttrace.surroundings.traceparent",
    # Delivery has its own too (`test_delivery_faults`).
    *(f"bttrace.sinks.{name}" for name in (
        "adoption", "api", "backoff", "braintrust", "courier", "delivery", "spooling.estate", "neighbours", "nesting", "spooling.segments",
        "spooling.spool", "tally", "transport", "upload", "waiting",
    )),
)  # fmt: skip
# What Azure's streams begin with: no choices, then one without a delta.
AZURE = tuple(
    replies.sse({"id": "", "object": "", "created": 0, "model": "", "choices": choices})
    for choices in ([], [{"index": 0, "delta": None, "finish_reason": None}])
)
QUESTION: list[Any] = [{"role": "user", "content": "hello"}]
TOOLS: list[Any] = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]


def _internal_functions() -> Iterator[tuple[str, FunctionType]]:
    for found in pkgutil.walk_packages(bttrace.__path__, "bttrace."):
        if found.name in NOT_INSIDE or found.name.startswith("bttrace.sitecustomize"):
            continue
        module = importlib.import_module(found.name)
        for name, function in _functions(module):
            written = function.__code__.co_filename == module.__file__  # not made by dataclass
            if written and not function.__code__.co_freevars and name not in PASSING_ON:
                yield f"{found.name}:{name}", function


def _functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    for value in vars(module).values():
        if (
            inspect.isfunction(value)
            and value.__module__ == module.__name__
            and value.__qualname__ != "guarded.<locals>.safe"
        ):
            yield value.__qualname__, value
        elif (
            inspect.isclass(value)
            and value.__module__ == module.__name__
            and not getattr(value, "_is_protocol", False)
        ):
            for member in vars(value).values():
                inner = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
                if inspect.isfunction(inner) and inner.__module__ == module.__name__:
                    yield inner.__qualname__, inner


FUNCTIONS = dict(_internal_functions())
REACHED = [name for name in FUNCTIONS if not name.startswith(NOT_REACHED)]


def _raise(*_args: object, **_kwargs: object) -> None:
    raise ArithmeticError("broken")


def _raise_later(*_args: object, **_kwargs: object) -> Iterator[None]:
    yield from ()
    raise ArithmeticError("broken")


def _program(url: str) -> list[object]:
    """What an application sees of its calls: results, types, exceptions."""
    with openai.OpenAI(base_url=url, api_key="k", max_retries=1) as client:
        return [*_openai_program(client, url), *_anthropic_program(url.removesuffix("/v1"))]


def _openai_program(client: openai.OpenAI, url: str) -> list[object]:
    seen: list[object] = []
    answer = client.chat.completions.create(model="m", messages=QUESTION)
    seen += [type(answer), answer.to_dict()]
    stream = client.chat.completions.create(model="m", messages=QUESTION, stream=True)
    seen += [type(stream), [chunk.to_dict() for chunk in stream]]
    with client.chat.completions.create(model="m", messages=QUESTION, stream=True) as early:
        seen.append(next(early).to_dict())
    with client.chat.completions.with_streaming_response.create(model="m", messages=QUESTION) as raw:
        seen.append(raw.read())
    try:
        client.chat.completions.create(model="fails", messages=QUESTION)
    except openai.BadRequestError as error:
        seen += [type(error), str(error), error.body]
    odd = client.chat.completions.create(model="azure", messages=QUESTION, stream=True)
    seen.append([chunk.to_dict() for chunk in odd])
    seen.append([event.to_dict() for event in client.responses.create(model="m", input="hello", stream=True)])
    seen.append(asyncio.run(_async_program(url)))
    seen += [_loop(client, stream=False), _loop(client, stream=True)]
    return seen


def look_up(city: str) -> str:
    """A tool, which nobody names."""
    if city == "Nowhere":
        raise LookupError(f"no such city: {city}")
    return f"{city} is sunny"


def _loop(client: openai.OpenAI, *, stream: bool) -> list[object]:
    """An agent written by hand: two tools at once, of which one fails, then the answer."""
    tools: dict[str, Any] = {"look_up": look_up}
    messages: Any = [{"role": "user", "content": "loop"}]
    told: list[object] = []
    for _ in range(2):
        create: Any = client.chat.completions.create
        answer = create(model="m", messages=messages, tools=TOOLS, stream=stream)
        calls = _streamed(answer) if stream else answer.choices[0].message.to_dict().get("tool_calls", [])
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        for call in calls:
            try:
                result = tools[call["function"]["name"]](**json.loads(call["function"]["arguments"]))
            except LookupError as error:
                result = repr(error)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
            told.append(result)
    return [told, messages]


def _streamed(stream: Any) -> list[Any]:
    """The tool calls of a stream, put together the way that applications do."""
    calls: dict[int, Any] = {}
    for chunk in stream:
        for delta in chunk.choices[0].delta.tool_calls or () if chunk.choices else ():
            if delta.index in calls:
                calls[delta.index].function.arguments += delta.function.arguments
            else:
                calls[delta.index] = delta
    found = [call.to_dict() for call in calls.values()]
    return [{name: call[name] for name in ("id", "type", "function")} for call in found]


def _anthropic_program(url: str) -> list[object]:
    with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client:
        return _anthropic_calls(client)


def _anthropic_calls(client: Any) -> list[object]:
    given = {"model": "m", "max_tokens": 9, "messages": QUESTION}
    answer = client.messages.create(**given)
    seen = [type(answer), answer.to_dict(), client.messages.with_raw_response.create(**given).parse()]
    stream = client.messages.create(**given, stream=True)
    seen += [type(stream), [event.to_dict() for event in stream]]
    with client.messages.stream(**given) as helper:
        seen += [type(helper), helper.get_final_message().to_dict()]
    try:
        client.messages.create(**{**given, "model": "fails"})
    except anthropic.BadRequestError as error:
        seen += [type(error), str(error), error.body]
    return seen


async def _async_program(url: str) -> list[object]:
    async with openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
        answer = await client.chat.completions.create(model="m", messages=QUESTION)
        stream = await client.chat.completions.create(model="m", messages=QUESTION, stream=True)
        return [answer.to_dict(), type(stream), [chunk.to_dict() async for chunk in stream]]


def _answer(request: Any) -> replies.Reply:
    body = request.json
    anthropics = request.route.endswith("/messages")
    if body["model"] == "fails":
        return (replies.anthropic_error if anthropics else replies.openai_error)(400, "no such model")
    if body["model"] == "azure":
        return replace(
            replies.chat_stream(["Hel", "lo"]), events=(*AZURE, *replies.chat_stream(["Hel", "lo"]).events)
        )
    if anthropics:
        return replies.message_stream(["Hel", "lo"]) if body.get("stream") else replies.message("Hello")
    if request.route.endswith("/responses"):
        return replies.response_stream(["Hel", "lo"])
    if body.get("tools") and not any(message["role"] == "tool" for message in body["messages"]):
        calls = [("c1", "look_up", '{"city": "Faro"}'), ("c2", "look_up", '{"city": "Nowhere"}')]
        if body.get("stream"):
            return replies.chat_stream(tool_calls=calls)
        return replies.chat(tool_calls=calls)
    return replies.chat_stream(["Hel", "lo"]) if body.get("stream") else replies.chat("Hello")


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(_answer)
        yield server


@pytest.fixture(scope="module")
def untraced(provider: ProviderServer) -> tuple[list[object], list[bytes]]:
    provider.requests.clear()
    seen = _program(provider.openai_url)
    return seen, [request.body for request in provider.requests]


@contextmanager
def noted(ran: set[CodeType]) -> Iterator[None]:
    """Notes the code of every function that any thread runs."""

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            ran.add(frame.f_code)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@pytest.fixture(scope="module")
def reached(provider: ProviderServer, tmp_path_factory: pytest.TempPathFactory) -> set[CodeType]:
    """What of ours the program runs: a fault in anything else would be none."""
    ran: set[CodeType] = set()
    with noted(ran):
        session.enable(None, exporter="local", journal_dir=str(tmp_path_factory.mktemp("journal")))
        copy_context().run(lambda: _program(provider.openai_url))
        bttrace.flush(5)
        bttrace.disable()
    return ran


@pytest.fixture
def _our_faults_are_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("BTTRACE_STRICT")
    monkeypatch.setenv("BTTRACE_EXPORTER", "local")
    monkeypatch.setenv("BTTRACE_JOURNAL_DIR", str(tmp_path))
    monkeypatch.setenv("BTTRACE_EXIT_TIMEOUT", "0.3")


@contextmanager
def raising(function: FunctionType) -> Iterator[None]:
    """Makes a function raise: its code is replaced, not its name, so that every reference to it is hit."""
    code = function.__code__
    function.__code__ = (_raise_later if inspect.isgeneratorfunction(function) else _raise).__code__
    try:
        yield
    finally:
        function.__code__ = code


def _traced_with_a_fault(function: FunctionType, program: Callable[[], list[object]]) -> list[object]:
    """Gives what a program saw under the hook while one function raised."""
    ours = None
    try:
        with raising(function):
            try:
                session.enable()
                ours = session._session
                seen = copy_context().run(program)  # what a fault leaves set there is no other test's
                bttrace.flush(0.3)
            finally:
                bttrace.disable()
        return seen
    finally:
        if ours is not None and ours.wiring is not None:
            ours.wiring._ledger.restore()
        if function.__module__ == patch.__name__:
            _put_back()
        for follower in list(forks._followers):  # where disable() itself was what failed
            if isinstance(follower, Recorder):
                follower.close(0.1)
            elif isinstance(follower, Discovery):
                follower.close()


def _put_back() -> None:
    """Takes out of the SDKs what a ledger that failed knows nothing of."""
    modules = [
        module for name, module in sys.modules.items() if name.split(".")[0] in ("anthropic", "openai")
    ]
    for module in modules:
        classes = [value for value in vars(module).values() if isinstance(value, type)]
        for holder in (module, *classes):
            for name, value in list(vars(holder).items()):
                if isinstance(value, patch._Function):
                    setattr(holder, name, value.__wrapped__)


@pytest.mark.parametrize("name", REACHED)
@pytest.mark.usefixtures("_our_faults_are_ours")
def test_a_fault_of_ours_changes_nothing(
    name: str, provider: ProviderServer, untraced: tuple[list[object], list[bytes]], reached: set[CodeType]
) -> None:
    if FUNCTIONS[name].__code__ not in reached:
        pytest.skip("the program does not run it")
    provider.requests.clear()
    seen = _traced_with_a_fault(FUNCTIONS[name], lambda: _program(provider.openai_url))
    assert seen == untraced[0]
    assert [request.body for request in provider.requests] == untraced[1]


@pytest.mark.usefixtures("_our_faults_are_ours")
def test_a_fault_is_said_once_and_the_hook_retires(capsys: pytest.CaptureFixture[str]) -> None:
    calls = 0

    def fails() -> None:
        nonlocal calls
        calls += 1
        raise ArithmeticError("broken")

    safe = guard.guarded(fails)
    for _ in range(guard.PATIENCE + 3):
        assert safe() is None
    assert calls == guard.PATIENCE
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "ArithmeticError at test_never_raises.py:" in said[0]
    assert "broken" not in said[0]  # it could hold anything
    assert "switched off" in said[1]


def test_under_strict_a_fault_is_raised() -> None:
    with pytest.raises(ArithmeticError):
        guard.guarded(_raise)()


def test_interrupts_pass() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guard.guarded(interrupted)()
