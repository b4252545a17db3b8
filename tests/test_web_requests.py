"""Requests of web frameworks, in this process: what is told of one, when, and when nothing is."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import bttrace
from bttrace.testing import Captured, ManualClock, capture
from tests.loopback.provider import ProviderServer
from tests.nested import nested
from tests.requests_in_process import Model, asked, scope, served

pytest.importorskip("starlette")
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

LLM = "llm.generation (gpt-4o-mini-2024-07-18)"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ABOVE = ("traceparent", f"00-{TRACE}-{SPAN}-01")


@pytest.fixture
def model(provider: ProviderServer) -> Iterator[Model]:
    with asked(provider) as one:
        yield one


def application(model: Model, clock: ManualClock | None = None, **more: Any) -> Starlette:
    left: set[Any] = set()

    async def health(_: Request) -> PlainTextResponse:
        return PlainTextResponse("well")

    async def one(request: Request) -> PlainTextResponse:
        if clock is not None:
            clock.advance(2)
        said = await model.aask(request.path_params["key"])
        if clock is not None:
            clock.advance(3)
        return PlainTextResponse(said)

    async def broken(_: Request) -> PlainTextResponse:
        await model.aask("broken")
        raise ValueError("a secret reason")

    async def refused(request: Request) -> PlainTextResponse:
        await model.aask("refused")
        raise HTTPException(int(request.path_params["status"]))

    async def again(_: Request) -> PlainTextResponse:
        return PlainTextResponse((await served(app, "/one/inner"))[1])

    async def stream(_: Request) -> StreamingResponse:
        return StreamingResponse(model.ask(text) for text in ("a", "b"))

    async def later(_: Request) -> PlainTextResponse:
        async def work() -> None:
            for text in ("first", "second"):
                await more["wait"][text].wait()
                await model.aask(text)
                more["done"][text].set()

        left.add(asyncio.create_task(work()))
        return PlainTextResponse("later")

    async def naming(_: Request) -> PlainTextResponse:
        return PlainTextResponse(bttrace.headers().get("traceparent", ""))

    routes = [
        Route("/health", health),
        Route("/one/{key:str}", one, methods=["GET", "PUT"]),
        Route("/broken", broken),
        Route("/refused/{status}", refused),
        Route("/again", again),
        Route("/stream", stream),
        Route("/later", later),
        Route("/naming", naming),
        Mount("/at/{place}", routes=[Route("/one/{key}", one)]),
        Mount("/there", app=Starlette(routes=[Route("/one/{key}", one)])),
    ]
    app = Starlette(routes=routes)
    return app


def workflows(captured: Captured) -> list[dict[str, Any]]:
    return [row for row in captured.rows if row["span_attributes"]["name"].startswith("workflow:")]


def test_a_request_in_which_nothing_is_traced_costs_no_span_and_no_thread(model: Model) -> None:
    app = application(model)
    with capture() as captured:
        assert asyncio.run(served(app, "/health", "GET", ABOVE)) == (200, b"well")
        assert bttrace.status().unwritten == 0
        assert not [thread for thread in threading.enumerate() if thread.name == "bttrace-writer"]
        assert captured.rows == []


def test_a_request_has_its_own_times_however_late_it_is_told_of(model: Model) -> None:
    clock = ManualClock()
    app = application(model, clock)
    with capture(clock=clock) as captured:
        start = clock.epoch(clock.now())
        asyncio.run(served(app, "/one/a", last=lambda: clock.advance(10)))
        rows = captured.rows
    [root] = [row for row in rows if not row.get("span_parents")]
    assert root["span_attributes"] == {"name": "workflow:GET /one/{key}", "type": "task"}
    assert (root["metrics"]["start"], root["metrics"]["end"]) == (start, start + 5)
    assert nested(rows) == [["workflow:GET /one/{key}", LLM]]


@pytest.mark.parametrize(
    ("path", "method", "name", "output"),
    [
        ("/one/a", "PUT", "PUT /one/{key}", {"status": 200}),
        ("/at/home/one/a", "GET", "GET /at/{place}/one/{key}", {"status": 200}),
        ("/at/one/one/one", "GET", "GET /at/{place}/one/{key}", {"status": 200}),
        ("/there/one/a", "GET", "GET /there/one/{key}", {"status": 200}),
        ("/refused/404", "GET", "GET /refused/{status}", {"status": 404}),
        ("/stream", "GET", "GET /stream", {"status": 200}),
    ],
)
def test_a_request_is_called_by_its_route(
    model: Model, path: str, method: str, name: str, output: dict[str, int]
) -> None:
    with capture() as captured:
        asyncio.run(served(application(model), path, method))
        [row] = workflows(captured)
    verb, _, route = name.partition(" ")
    assert row["span_attributes"]["name"] == f"workflow:{name}"
    assert (row["input"], row["output"]) == ({"method": verb, "route": route}, output)
    assert (row.get("error"), row["metadata"]["status"]) == (None, "success")


@pytest.mark.parametrize(("method", "name"), [("GET", "workflow:GET"), ("BREW-0815", "workflow:OTHER")])
def test_a_request_without_a_route_is_called_by_its_method(model: Model, method: str, name: str) -> None:
    async def ahead(scope: Any, receive: Any, send: Any) -> None:
        await model.aask("before any route")
        await PlainTextResponse("answered")(scope, receive, send)

    app = Starlette()
    app.middleware_stack = ahead
    with capture() as captured:
        asyncio.run(served(app, "/users/o-4711-o", method))
        [row] = workflows(captured)
    assert (row["span_attributes"]["name"], row["input"]) == (name, {"method": name.partition(":")[2]})
    assert "o-4711-o" not in str(captured.rows)


def test_a_request_is_called_by_the_route_that_it_takes_after_its_first_call(model: Model) -> None:
    class Asking:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await model.aask("is it allowed?")
            bttrace.flush()
            assert [row["span_attributes"]["name"] for row in workflows(captured)] == ["workflow:GET"]
            await self.app(scope, receive, send)

    app = application(model)
    app.add_middleware(Asking)
    with capture() as captured:
        assert asyncio.run(served(app, "/one/a")) == (200, b"a")
        assert nested(captured.rows) == [["workflow:GET /one/{key}", LLM, LLM]]
        [row] = workflows(captured)
    assert row["input"] == {"method": "GET", "route": "/one/{key}"}


def test_a_request_that_two_threads_tell_of_at_once_is_one(model: Model) -> None:
    both = threading.Barrier(2)

    class Taken:
        """A route whose path both threads look up before either has told of the request."""

        @property
        def path_format(self) -> str:
            if not both.broken and len(told) < 2:
                told.append(both.wait(20))
            return "/taken"

    async def stack(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = Taken()
        said = await asyncio.gather(asyncio.to_thread(model.ask, "a"), asyncio.to_thread(model.ask, "b"))
        await PlainTextResponse("".join(said))(scope, receive, send)

    told: list[int] = []
    app = Starlette()
    app.middleware_stack = stack
    with capture() as captured:
        assert asyncio.run(served(app, "/taken")) == (200, b"ab")
        assert nested(captured.rows) == [["workflow:GET /taken", LLM, LLM]]
        assert workflows(captured)[0]["output"] == {"status": 200}
    assert sorted(told) == [0, 1]


def test_an_exception_is_the_application_s_own_and_is_told(model: Model) -> None:
    with capture() as captured:
        with pytest.raises(ValueError, match="a secret reason") as raised:
            asyncio.run(served(application(model), "/broken"))
        [row] = workflows(captured)
    assert raised.value.__cause__ is None
    assert (row["output"], row["error"]) == ({"status": 500}, "ValueError: a secret reason")
    assert row["metadata"]["status"] == "error"


def test_a_failure_that_is_only_a_status_is_told(model: Model) -> None:
    with capture() as captured:
        assert asyncio.run(served(application(model), "/refused/503"))[0] == 503
        [row] = workflows(captured)
    assert (row["output"], row["error"], row["metadata"]["status"]) == ({"status": 503}, "HTTP 503", "error")


def test_without_content_only_the_name_and_the_kind_of_the_error_are_told(model: Model) -> None:
    with capture(capture_content=False) as captured:
        with pytest.raises(ValueError, match="secret"):
            asyncio.run(served(application(model), "/broken"))
        [row] = workflows(captured)
    assert (row.get("input"), row.get("output"), row["error"]) == (None, None, "ValueError")
    assert row["span_attributes"]["name"] == "workflow:GET /broken"


def test_a_request_that_is_cancelled_is_told(model: Model) -> None:
    async def waiting(_: Request) -> PlainTextResponse:
        await model.aask("and waits")
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def left() -> None:
        task = asyncio.create_task(served(Starlette(routes=[Route("/wait", waiting)]), "/wait"))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with capture() as captured:
        begun = asyncio.Event()
        asyncio.run(left())
        [row] = workflows(captured)
    assert row["error"].startswith("CancelledError")


def test_an_application_within_a_request_is_a_part_of_it(model: Model) -> None:
    with capture() as captured:
        assert asyncio.run(served(application(model), "/again")) == (200, b"inner")
        assert nested(captured.rows) == [["workflow:GET /again", LLM]]


def test_the_next_request_of_a_connection_is_one_by_itself(model: Model) -> None:
    """A server such as uvicorn reads it in the context of the last, whose last message it has just been given."""
    app = application(model)

    async def both() -> None:
        tasks: list[Any] = []
        following = served(app, "/one/next")
        await served(app, "/one/first", last=lambda: tasks.append(asyncio.create_task(following)))
        await asyncio.gather(*tasks)

    with capture() as captured:
        asyncio.run(both())
        assert nested(captured.rows) == [["workflow:GET /one/{key}", LLM]] * 2


@pytest.mark.parametrize(
    ("seconds", "trees"),
    [(599, [["workflow:GET /later", LLM, LLM]]), (601, [["workflow:GET /later", LLM], LLM])],
)
def test_what_a_request_left_running_is_in_its_tree_for_a_while(
    model: Model, seconds: int, trees: list[Any]
) -> None:
    clock = ManualClock()

    async def asked_and_left() -> None:
        wait = {text: asyncio.Event() for text in ("first", "second")}
        done = {text: asyncio.Event() for text in ("first", "second")}
        await served(application(model, wait=wait, done=done), "/later")
        clock.advance(1)
        wait["first"].set()
        await done["first"].wait()
        clock.advance(seconds - 1)
        wait["second"].set()
        await done["second"].wait()

    with capture(clock=clock) as captured:
        asyncio.run(asked_and_left())
        rows = captured.rows
    assert nested(rows) == trees
    [root] = [row for row in rows if row["span_attributes"]["name"] == "workflow:GET /later"]
    assert root["metrics"]["end"] == root["metrics"]["start"]
    assert root["output"] == {"status": 200}


def test_a_request_that_is_suppressed_is_not_told(model: Model) -> None:
    with capture() as captured:
        with bttrace.suppressed():
            asyncio.run(served(application(model), "/one/a"))
        assert captured.rows == []


@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", "00-zz")],
        [ABOVE, ABOVE],
        [
            ("Traceparent", f"00-{'0' * 32}-{SPAN}-01"),
            ("baggage", "braintrust.parent=project_name%3AMy%20Project"),
        ],
    ],
    ids=["malformed", "two", "zeros"],
)
def test_a_traceparent_that_is_none_is_said_once(
    model: Model, headers: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    app = application(model)
    with capture() as captured:
        for _ in range(2):
            assert asyncio.run(served(app, "/one/a", "GET", *headers)) == (200, b"a")
        asyncio.run(served(app, "/health", "GET", *headers))
        rows = captured.rows
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith("bttrace: the traceparent of what came in, ")
    assert headers[0][1][:8] in said
    assert nested(rows) == [["workflow:GET /one/{key}", LLM]] * 2
    assert TRACE not in {row["root_span_id"] for row in rows}


@pytest.mark.parametrize(
    ("named", "parents"),
    [
        ("project_name:Mine", [SPAN]),
        ("project_id:1", None),
        ("project_name:Other", None),
        ("experiment_id:Mine", None),
        (None, None),
    ],
)
def test_a_trace_goes_on_in_the_span_that_is_in_our_project(
    model: Model, named: str | None, parents: list[str] | None
) -> None:
    headers = [ABOVE] if named is None else [ABOVE, ("baggage", f"x=y,braintrust.parent={named}")]
    with capture(project="Mine") as captured:
        asyncio.run(served(application(model), "/one/a", "GET", *headers))
        rows = captured.rows
    [root] = [row for row in rows if row["span_attributes"]["name"].startswith("workflow:")]
    assert root.get("span_parents") == parents
    assert {row["root_span_id"] for row in rows} == {TRACE}


def test_headers_name_the_request_also_when_nothing_else_is_in_it(model: Model) -> None:
    with capture() as captured:
        assert bttrace.headers() == {}
        _, said = asyncio.run(served(application(model), "/naming"))
        [row] = captured.rows
    assert said.decode() == f"00-{row['root_span_id']}-{row['span_id']}-01"
    assert row["span_attributes"]["name"] == "workflow:GET /naming"
    assert bttrace.headers() == {}


def test_what_is_not_a_request_passes_untouched(model: Model) -> None:
    seen: list[Any] = []

    @asynccontextmanager
    async def lifespan(_: Any) -> Any:
        await model.aask("at the start")
        yield

    async def stack(*given: Any) -> None:
        seen.append(given)

    async def receive() -> Any:
        return {"type": f"lifespan.{next(kinds)}"}

    async def send(_: Any) -> None: ...

    kinds = iter(["startup", "shutdown"])
    with capture() as captured:
        asyncio.run(Starlette(lifespan=lifespan)({"type": "lifespan", "state": {}}, receive, send))
        assert nested(captured.rows) == [LLM]
        app = Starlette()
        app.middleware_stack = stack
        asyncio.run(app({"type": "lifespan"}, receive=receive, send=send))
        asyncio.run(app(scope=scope("/"), receive=receive, send=send))
    assert [given[2] for given in seen] == [send, send]


def test_the_class_is_as_it_was(model: Model) -> None:
    before = vars(Starlette)["__call__"]
    with capture():
        app = application(model)
        assert vars(Starlette)["__call__"] is not before
        assert inspect.iscoroutinefunction(app.__call__)
        assert inspect.signature(app.__call__) == inspect.signature(before.__get__(app))
        assert isinstance(app, Starlette)
    assert vars(Starlette)["__call__"] is before
