"""Requests of Flask and Django, in this process: what a server is given, and what of it is told."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from io import BytesIO
from types import ModuleType
from typing import Any
from wsgiref.util import FileWrapper

import pytest

import bttrace
from bttrace.testing import capture
from tests.loopback.provider import ProviderServer
from tests.nested import nested
from tests.requests_in_process import Model, answered, asked, begun
from tests.test_web_requests import LLM, SPAN, TRACE, workflows

flask = pytest.importorskip("flask")


@pytest.fixture
def model(provider: ProviderServer) -> Iterator[Model]:
    with asked(provider) as one:
        yield one


def application(model: Model, closed: list[str]) -> Any:
    app = flask.Flask("an application")
    app.logger.disabled = True

    def parts() -> Iterator[str]:
        try:
            yield model.ask("a")
            yield model.ask("b")
        finally:
            closed.append("generator")
            model.ask("c")

    def failing() -> Iterator[str]:
        yield model.ask("a")
        raise KeyError("half way")

    def health() -> str:
        return "well"

    def one(number: int) -> str:
        return model.ask(str(number))

    def stream() -> Any:
        response = flask.Response(parts())
        response.call_on_close(lambda: closed.append("response"))
        return response

    def halfway() -> Any:
        return flask.Response(failing())

    def refused(status: int) -> Any:
        model.ask("refused")
        flask.abort(status)

    def before() -> None:
        if flask.request.path == "/one/2":
            model.ask("before")

    app.before_request(before)
    for rule, view in {
        "/health": health,
        "/one/<int:number>": one,
        "/stream": stream,
        "/failing": halfway,
        "/refused/<int:status>": refused,
    }.items():
        app.add_url_rule(rule, view_func=view)
    return app


def test_a_request_in_which_nothing_is_traced_costs_no_span(model: Model) -> None:
    app = application(model, [])
    bare = begun(app, "/health")
    with capture() as captured:
        status, body = begun(app, "/health")
        assert (status, type(body)) == (bare[0], type(bare[1]))
        assert b"".join(body) == b"".join(bare[1]) == b"well"
        assert answered(app, "/health", "HEAD")[0] == answered(app, "/health", "OPTIONS")[0] == 200
        assert captured.rows == []


@pytest.mark.parametrize(
    ("path", "name", "calls"),
    [
        ("/one/1", "GET /one/<int:number>", 1),
        ("/one/2", "GET /one/<int:number>", 2),
        ("/stream", "GET /stream", 3),
    ],
)
def test_a_request_is_one_tree(model: Model, path: str, name: str, calls: int) -> None:
    app = application(model, [])
    bare = answered(app, path)
    with capture() as captured:
        assert answered(app, path) == bare
        rows = captured.rows
    assert nested(rows) == [[f"workflow:{name}", *[LLM] * calls]]
    [root] = [row for row in rows if not row.get("span_parents")]
    assert root["input"] == {"method": "GET", "route": name.partition(" ")[2]}
    assert (root["output"], root.get("error")) == ({"status": 200}, None)


@pytest.mark.parametrize(("status", "error"), [(404, None), (503, "HTTP 503")])
def test_a_refusal_is_told_by_its_status(model: Model, status: int, error: str | None) -> None:
    with capture() as captured:
        assert answered(application(model, []), f"/refused/{status}")[0] == status
        [row] = workflows(captured)
    assert (row["output"], row.get("error")) == ({"status": status}, error)


def test_a_stream_that_its_client_leaves_is_closed_once(model: Model) -> None:
    closed: list[str] = []
    with capture() as captured:
        _, body = begun(application(model, closed), "/stream")
        assert next(iter(body)) == b"a"
        assert not any("end" in row["metrics"] for row in workflows(captured))
        body.close()
        rows = captured.rows
    assert closed == ["generator", "response"]
    assert nested(rows) == [["workflow:GET /stream", LLM, LLM]]
    [root] = [row for row in rows if not row.get("span_parents")]
    assert root["metrics"]["end"] >= max(row["metrics"]["end"] for row in rows)


def test_a_stream_that_fails_is_told_and_fails_as_it_did(model: Model) -> None:
    with capture() as captured:
        with pytest.raises(KeyError, match="half way"):
            answered(application(model, []), "/failing")
        [row] = workflows(captured)
    assert (row["output"], row["error"]) == ({"status": 200}, "KeyError: 'half way'")


def test_nothing_is_left_around_the_thread_that_served(model: Model) -> None:
    app = application(model, [])
    with capture() as captured:
        answered(app, "/one/1")
        answered(app, "/stream")
        model.ask("afterwards")
        assert nested(captured.rows)[-1] == LLM


def test_headers_lead_to_a_parent(model: Model) -> None:
    with capture(project="Mine") as captured:
        above = {"traceparent": f"00-{TRACE}-{SPAN}-01", "baggage": "braintrust.parent=project_name:Mine"}
        answered(application(model, []), "/one/1", **above)
        [root] = workflows(captured)
    assert (root["root_span_id"], root["span_parents"]) == (TRACE, [SPAN])


def test_a_flask_application_within_starlette_is_a_part_of_its_request(model: Model) -> None:
    import asyncio
    import warnings

    from starlette.applications import Starlette
    from starlette.routing import Mount

    from tests.requests_in_process import served

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated
        from starlette.middleware.wsgi import WSGIMiddleware

    outer = Starlette(routes=[Mount("/inner", app=WSGIMiddleware(application(model, [])))])
    with capture() as captured:
        assert asyncio.run(served(outer, "/inner/stream")) == (200, b"ab")
        assert nested(captured.rows) == [["workflow:GET /inner/{path}", LLM, LLM, LLM]]


def test_the_classes_are_as_they_were(model: Model) -> None:
    before = dict(vars(flask.Flask))
    with capture():
        assert vars(flask.Flask)["__call__"] is not before["__call__"]
    assert dict(vars(flask.Flask)) == before


@pytest.mark.skipif(not importlib.util.find_spec("django"), reason="django is not installed")
def test_a_response_of_django_that_is_whole_is_given_as_it_is(model: Model) -> None:
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import FileResponse, HttpResponse
    from django.urls import path

    urls: Any = ModuleType("urls")
    urls.urlpatterns = [
        path("one/<int:number>", lambda _, number: HttpResponse(model.ask(str(number)))),
        path("file", lambda _: FileResponse(BytesIO(b"a file"))),
    ]
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"], SECRET_KEY="of a test", LOGGING_CONFIG=None, ROOT_URLCONF=urls
        )
    handler = WSGIHandler()
    with capture() as captured:
        _, body = begun(handler, "/one/3")
        assert type(body) is HttpResponse
        body.close()
        bttrace.flush()
        _, file = begun(handler, "/file")
        assert isinstance(file, FileWrapper)  # which a server may send by itself
        file.close()
        assert nested(captured.rows) == [["workflow:GET /one/<int:number>", LLM]]
