"""Web frameworks under their servers: one tree for each request in which something is traced, and none for any other."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.test_processes_web import Service, serving

Row = dict[str, Any]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ABOVE = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
OURS = {"baggage": "other=1,braintrust.parent=project_name%3AMy%20Project"}
THEIRS = {"baggage": "braintrust.parent=project_name%3AAnother"}


@contextmanager
def service(
    framework: str, braintrust: BraintrustServer, provider: ProviderServer, *options: str
) -> Iterator[Service]:
    if not importlib.util.find_spec(framework):
        pytest.skip(f"{framework} is not installed")
    module, *rest = options
    with serving(braintrust, provider, module, *rest) as served:
        yield served


def asked(served: Service, paths: list[str]) -> dict[str, tuple[int, str]]:
    """What is answered to requests that come at once, after one that waits for the server."""
    served.get("/health/first")
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(paths, pool.map(served.get, paths), strict=True))


def trees(rows: list[Any]) -> dict[str, tuple[Row, list[str]]]:
    """Of each tree, by the text of its first call: its root, and the texts of all its calls. Each hangs in its root."""
    calls = [row for row in rows if row["span_attributes"]["type"] == "llm"]
    roots = [row for row in rows if row["span_attributes"]["name"].startswith("workflow:")]
    assert len(calls) + len(roots) == len(rows)
    known = {row["span_id"]: row for row in roots}
    found: dict[str, tuple[Row, list[str]]] = {}
    for root in roots:
        own = [row for row in calls if row["span_parents"] == [root["span_id"]]]
        assert {row["root_span_id"] for row in own} == {root["root_span_id"]}
        texts = sorted(row["input"][0]["content"] for row in own)
        found[texts[0]] = (root, texts)
    assert all(row["span_parents"][0] in known for row in calls)
    assert len(found) == len(roots)
    return found


def told(root: Row) -> tuple[str, Any, Any, Any]:
    return root["span_attributes"]["name"], root["input"], root["output"], root.get("error")


def expected(method: str, route: str, status: int, error: str | None = None) -> tuple[str, Any, Any, Any]:
    return f"workflow:{method} {route}", {"method": method, "route": route}, {"status": status}, error


SYNCHRONOUS = {
    "flask": ("/api/users/<string:key>", "/stream/<key>", "/broken/<key>", "/later/<key>"),
    "django": ("/api/users/<str:key>", "/stream/<key>", "/broken/<key>", "/later/<key>"),
}


@pytest.mark.parametrize(
    ("framework", "options"),
    [
        ("flask", ("gunicorn", "web_flask:app")),
        ("flask", ("gunicorn", "--worker-class", "gevent", "web_flask:app")),
        ("django", ("gunicorn", "--worker-class", "gthread", "--threads", "8", "web_django:wsgi")),
        ("django", ("uvicorn", "web_django:asgi")),
    ],
    ids=["flask-sync", "flask-gevent", "django-wsgi", "django-asgi"],
)
def test_one_tree_a_request(
    framework: str,
    options: tuple[str, ...],
    braintrust_api: BraintrustServer,
    provider: ProviderServer,
) -> None:
    if "gevent" in options and not importlib.util.find_spec("gevent"):
        pytest.skip("gevent is not installed")
    keys = [f"k{number}" for number in range(3)]
    kinds = {"users": "/api/users", "stream": "/stream", "broken": "/broken", "later": "/later"}
    with service(framework, braintrust_api, provider, *options) as served:
        paths = [f"{path}/{kind}-{key}" for kind, path in kinds.items() for key in keys]
        got = asked(served, [*paths, *(f"/health/{key}" for key in keys)])
        parented = served.get("/api/users/under", {**ABOVE, **OURS})
        served.end(signal.SIGTERM)

    assert {path: status for path, (status, _) in got.items() if status != 200} == {
        f"/broken/broken-{key}": 500 for key in keys
    }
    assert [json.loads(got[f"/api/users/users-{key}"][1]) for key in keys] == [
        [f"users-{key}", f"users-{key}-pool"] for key in keys
    ]
    assert [got[f"/stream/stream-{key}"][1] for key in keys] == [
        f"stream-{key}-0stream-{key}-1" for key in keys
    ]
    assert json.loads(parented[1]) == ["under", "under-pool"]
    user, stream, broken, later = SYNCHRONOUS[framework]
    found = trees(braintrust_api.rows())
    root, texts = found.pop("under")
    assert (root["root_span_id"], root["span_parents"], texts) == (TRACE, [SPAN], ["under", "under-pool"])
    for key in keys:
        root, texts = found.pop(f"users-{key}")
        assert texts == [f"users-{key}", f"users-{key}-pool"]
        assert told(root) == expected("GET", user, 200)
        assert not root.get("span_parents")
        root, texts = found.pop(f"stream-{key}-0")
        assert texts == [f"stream-{key}-0", f"stream-{key}-1"]
        assert told(root) == expected("GET", stream, 200)
        root, texts = found.pop(f"broken-{key}")
        assert told(root) == expected("GET", broken, 500, f"ValueError: no broken-{key}")
        assert root["metadata"]["status"] == "error"
        root, texts = found.pop(f"later-{key}-later")
        assert told(root) == expected("GET", later, 200)
    assert found == {}


def test_fastapi_under_uvicorn(braintrust_api: BraintrustServer, provider: ProviderServer) -> None:
    keys = [f"k{number}" for number in range(3)]
    kinds = {
        "users": "/api/users",
        "stream": "/stream",
        "broken": "/broken",
        "later": "/later",
        "thing": "/of/t1/things",
    }
    with service("fastapi", braintrust_api, provider, "uvicorn", "web_fastapi:app") as served:
        paths = [f"{path}/{kind}-{key}" for kind, path in kinds.items() for key in keys]
        got = asked(
            served, [*paths, "/api/users/tasks-k/tasks", *(f"/health/{key}" for key in keys), "/nowhere"]
        )
        posted = served.get("/stream/posted", {**ABOVE, **THEIRS}, "POST")
        parented = served.get("/api/users/under", {**ABOVE, **OURS})
        alone = served.get("/api/users/alone", ABOVE)
        spoken = talk(served, "/talk/me", "talk")
        served.end(signal.SIGTERM)

    statuses = {path: status for path, (status, _) in got.items() if status != 200}
    assert statuses == {"/nowhere": 404, **{f"/broken/broken-{key}": 500 for key in keys}}
    assert [got[f"/stream/stream-{key}"][1] for key in keys] == [
        f"stream-{key}-0stream-{key}-1" for key in keys
    ]
    assert (posted, spoken) == ((200, "posted-0posted-1"), ["talk-0", "talk-1"])
    assert [json.loads(body) for _, body in (parented, alone)] == [
        ["under", "under-pool"],
        ["alone", "alone-pool"],
    ]
    found = trees(braintrust_api.rows())
    user = expected("GET", "/api/users/{key}", 200)
    for key in keys:
        root, texts = found.pop(f"users-{key}")
        assert (told(root), texts) == (user, [f"users-{key}", f"users-{key}-pool"])
        root, texts = found.pop(f"stream-{key}-0")
        assert told(root) == expected("GET", "/stream/{key}", 200)
        assert texts == [f"stream-{key}-0", f"stream-{key}-1"]
        root, texts = found.pop(f"broken-{key}")
        assert told(root) == expected("GET", "/broken/{key}", 500, f"ValueError: no broken-{key}")
        root, texts = found.pop(f"later-{key}-background")
        assert (told(root), texts) == (
            expected("GET", "/later/{key}", 200),
            [f"later-{key}-background", f"later-{key}-task"],
        )
        root, texts = found.pop(f"thing-{key}")
        assert told(root) == expected("GET", "/of/{tenant}/things/{key}", 200)
    root, texts = found.pop("tasks-k")
    assert told(root) == expected("GET", "/api/users/{key}/tasks", 200)
    assert texts == ["tasks-k", "tasks-k-executor"]
    root, texts = found.pop("posted-0")  # the span that is named is in another project
    assert told(root) == expected("POST", "/stream/{key}", 200)
    assert (root["root_span_id"], root.get("span_parents")) == (TRACE, None)
    root, texts = found.pop("under")
    assert (root["root_span_id"], root["span_parents"]) == (TRACE, [SPAN])
    root, texts = found.pop("alone")  # nobody says that the span is at Braintrust
    assert (root["root_span_id"], root.get("span_parents")) == (TRACE, None)
    root, texts = found.pop("talk-0")
    assert (told(root), texts) == (expected("WEBSOCKET", "/talk/{key}", 101), ["talk-0", "talk-1"])
    assert found == {}


def talk(served: Service, path: str, text: str) -> list[str]:
    from websockets.sync.client import connect

    with connect(f"{served.url.replace('http', 'ws', 1)}{path}") as socket:
        said = []
        for _ in range(2):
            socket.send(text)
            said.append(str(socket.recv()))
    return said
