"""BraintrustServer over plain HTTP: what it accepts, what it refuses, how it fails, and its command form."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.braintrust import BraintrustServer

ROOT = Path(__file__).parents[2]
KEY = "loopback-braintrust-key"


def asked(
    server: BraintrustServer, method: str, path: str, body: object = None, key: str = KEY, timeout: float = 10
) -> tuple[int, Any]:
    """The status and the parsed body, or the text, that the server answers."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}"}
    request = urllib.request.Request(server.url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def inserted(server: BraintrustServer, *events: object, key: str = KEY) -> tuple[int, Any]:
    """What an insert into the project `p` is answered."""
    path = f"/v1/project_logs/{server.project_id('p')}/insert"
    return asked(server, "POST", path, {"events": list(events)}, key)


@pytest.fixture
def braintrust() -> Iterator[BraintrustServer]:
    with BraintrustServer() as server:
        yield server


class TestOverRest:
    def test_a_project_is_made_once_and_found_by_name_and_id(self, braintrust: BraintrustServer) -> None:
        assert asked(braintrust, "GET", "/v1/project?project_name=p") == (200, {"objects": []})
        status, project = asked(braintrust, "POST", "/v1/project", {"name": "p"})
        assert status == 200
        assert asked(braintrust, "POST", "/v1/project", {"name": "p"}) == (200, project)
        assert asked(braintrust, "GET", "/v1/project?project_name=p&org_name=loopback")[1] == {
            "objects": [project]
        }
        assert asked(braintrust, "GET", "/v1/project?project_name=p&org_name=other")[1] == {"objects": []}
        assert asked(braintrust, "GET", f"/v1/project/{project['id']}") == (200, project)
        assert asked(braintrust, "POST", "/v1/project", {"name": "p", "org_name": "other"})[0] == 400
        assert asked(braintrust, "GET", "/v1/project/none")[0] == 404
        assert asked(braintrust, "POST", "/v1/project_logs/none/insert", {"events": []})[0] == 404

    def test_events_merge_or_replace_and_every_delivery_counts(self, braintrust: BraintrustServer) -> None:
        first = {"id": "a", "span_parents": ["p"], "metadata": {"x": {"y": 1}}, "tags": ["s"], "input": 1}
        status, answer = inserted(braintrust, first, {"input": 2}, {"id": "c", "input": 3})
        assert (status, answer["row_ids"][0], answer["row_ids"][2]) == (200, "a", "c")
        change = {"_is_merge": True, "span_parents": ["q"], "metadata": {"x": {"z": 2}}, "tags": ["s", "t"]}
        inserted(braintrust, {"id": "a", **change}, {"id": "c", "output": 4})
        merged = {
            "id": "a",
            "span_parents": ["p"],
            "metadata": {"x": {"y": 1, "z": 2}},
            "tags": ["s", "t"],
            "input": 1,
        }
        made = {"id": answer["row_ids"][1], "input": 2}
        assert braintrust.rows(project="p") == [merged, made, {"id": "c", "output": 4}]
        assert braintrust.deliveries == {"a": 2, "c": 2, made["id"]: 1}
        assert [event.get("id") for event in braintrust.events] == ["a", None, "c", "a", "c"]

    def test_a_merge_does_not_look_below_the_paths_that_it_names(self, braintrust: BraintrustServer) -> None:
        inserted(braintrust, {"id": "a", "output": {"x": 1}, "metadata": {"x": {"y": 1}, "z": 1}})
        change = {"output": {"w": 2}, "metadata": {"x": {"v": 2}}, "error": None}
        inserted(
            braintrust,
            {"id": "a", "_is_merge": True, "_merge_paths": [["output"], ["metadata", "x"]], **change},
        )
        assert braintrust.rows() == [
            {"id": "a", "output": {"w": 2}, "metadata": {"x": {"v": 2}, "z": 1}, "error": None}
        ]

    def test_two_events_of_one_id_in_a_request_are_told_and_come_in_no_good_order(
        self, braintrust: BraintrustServer
    ) -> None:
        events = [{"id": "a", "input": 1}, {"id": "b"}, {"id": "a", "input": 2, "_is_merge": True}]
        status, answer = inserted(braintrust, *events)
        assert (status, answer["row_ids"]) == (200, ["a", "b", "a"])
        assert braintrust.clashes == ["a"]
        assert {"id": "a", "input": 1} in braintrust.rows()
        inserted(braintrust, {"id": "a"})
        assert braintrust.clashes == ["a"]

    @pytest.mark.parametrize(
        ("event", "complaint"),
        [
            ({"nmae": "x"}, "Unrecognized key: nmae"),
            ({"id": 1}, "id: Expected string"),
            ({"span_id": 1}, "span_id"),
            ({"root_span_id": []}, "root_span_id"),
            ({"span_parents": "p"}, "span_parents"),
            ({"span_parents": [1]}, "span_parents"),
            ({"span_attributes": "llm"}, "span_attributes: Expected object"),
            ({"span_attributes": {"type": "generation"}}, "Invalid span type 'generation'"),
            ({"span_attributes": {"name": 1}}, "span_attributes: name"),
            ({"metrics": {"tokens": "3"}}, "metrics: tokens: Expected number"),
            ({"metrics": {"tokens": 1.5}}, "metrics: tokens: Expected integer"),
            ({"metrics": {"cost": None}}, "metrics: cost"),
            ({"metrics": {"hit": True}}, "metrics: hit"),
            ({"metadata": []}, "metadata"),
            ({"tags": ["t", "t"]}, "tags: Duplicate tag"),
            ({"tags": [1]}, "tags"),
            ({"created": "yesterday"}, "created: Invalid datetime"),
            ({"created": "2026-13-01T00:00:00Z"}, "created: Invalid datetime"),
            ({"context": "here"}, "context"),
            ({"scores": {"s": 2}}, "scores"),
            ("event", "Expected object"),
        ],
    )
    def test_an_event_of_the_wrong_shape_is_refused_with_all_that_came_with_it(
        self, braintrust: BraintrustServer, event: object, complaint: str
    ) -> None:
        status, text = inserted(braintrust, {"id": "good"}, event)
        assert status == 400
        assert complaint in text
        assert braintrust.rows() == []

    def test_an_event_with_every_field_is_accepted(self, braintrust: BraintrustServer) -> None:
        place = {
            "span_id": "s",
            "root_span_id": "r",
            "span_parents": None,
            "created": "2026-01-02T03:04:05.678+00:00",
        }
        told = {
            "metrics": {"start": 1.5, "tokens": 3, "cost": 0.1},
            "context": {"span_origin": {"name": "x"}},
        }
        event = {
            "id": "a",
            "span_attributes": {"name": "n", "type": "llm", "own": 1},
            **place,
            **told,
            "error": "e",
        }
        assert inserted(braintrust, event) == (200, {"row_ids": ["a"]})
        assert braintrust.rows() == [event]

    def test_what_is_no_json_or_no_list_or_too_long_or_unauthorised_is_refused(
        self, braintrust: BraintrustServer
    ) -> None:
        path = f"/v1/project_logs/{braintrust.project_id('p')}/insert"
        assert asked(braintrust, "POST", path, b"{")[0] == 400
        assert asked(braintrust, "POST", path, b'{"events": [{"input": NaN}]}')[0] == 400
        assert asked(braintrust, "POST", path, {"events": {}})[0] == 400
        assert asked(braintrust, "POST", path, b" " * (6 * 1024 * 1024 + 1))[0] == 413
        assert inserted(braintrust, {"id": "a"}, key="wrong")[0] == 401
        assert asked(braintrust, "GET", "/version", key="wrong")[0] == 401
        assert braintrust.rows() == []


class TestAttachments:
    def test_they_are_announced_for_an_organisation_and_put_without_the_key(
        self, braintrust: BraintrustServer
    ) -> None:
        [org] = asked(braintrust, "POST", "/api/apikey/login", {})[1]["org_info"]
        named = {"key": "k", "filename": "a.png", "content_type": "image/png"}
        assert asked(braintrust, "POST", "/attachment", named)[0] == 400
        assert asked(braintrust, "POST", "/attachment", {**named, "org_id": "other"})[0] == 400
        status, answer = asked(braintrust, "POST", "/attachment", {**named, "org_id": org["id"]})
        assert status == 200
        route = answer["signedUrl"].removeprefix(braintrust.url)
        assert asked(braintrust, "PUT", route, b"bytes")[0] == 400
        assert braintrust.attachments["k"].data is None

    def test_what_is_wrong_with_them_is_listed(self, braintrust: BraintrustServer) -> None:
        [org] = asked(braintrust, "POST", "/api/apikey/login", {})[1]["org_info"]
        named = {"filename": "a.png", "content_type": "image/png", "org_id": org["id"]}
        for key in ("silent", "empty"):
            asked(braintrust, "POST", "/attachment", {"key": key, **named})
        done = {"upload_status": "done"}
        asked(braintrust, "POST", "/attachment/status", {"key": "empty", "status": done, "org_id": org["id"]})
        reference = {"type": "braintrust_attachment", "filename": "a.pdf", "content_type": "application/pdf"}
        inserted(braintrust, {"input": [{**reference, "key": "nobody's"}, {**reference, "key": "empty"}]})
        assert braintrust.attachment_flaws == [
            "unknown key nobody's",
            "empty is image/png, not application/pdf",
            "no status of silent",
            "empty is reported done",
        ]


class TestFaults:
    def test_a_status_comes_so_many_times_and_then_the_truth(self, braintrust: BraintrustServer) -> None:
        braintrust.fault("/v1/project_logs", status=503, times=2, headers={"retry-after": "1"})
        statuses = [inserted(braintrust, {"id": "a"})[0] for _ in range(3)]
        assert statuses == [503, 503, 200]
        assert [request.status for request in braintrust.requests] == statuses
        assert braintrust.deliveries == {"a": 1}

    def test_an_answer_can_be_lost_after_the_rows_were_stored(self, braintrust: BraintrustServer) -> None:
        for stored in (False, True):
            braintrust.fault("/v1/project_logs", drop=True, stored=stored)
            with pytest.raises((OSError, urllib.error.URLError)):
                inserted(braintrust, {"id": str(stored)})
        assert braintrust.deliveries == {"True": 1}
        inserted(braintrust, {"id": "True"})
        assert braintrust.deliveries == {"True": 2}

    def test_a_hanging_server_closes_at_once(self) -> None:
        with BraintrustServer() as server:
            server.fault("/version", hang=True, times=None)
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    asked(server, "GET", "/version", timeout=0.2)
            server.heal()
            assert asked(server, "GET", "/version")[0] == 200
            server.fault("/version", hang=True)
            child = subprocess.Popen(
                [sys.executable, "-c", f"import urllib.request as u; u.urlopen('{server.url}/version')"],
                stderr=subprocess.DEVNULL,
            )
            deadline = time.monotonic() + 10
            while len(server.requests) < 4 and time.monotonic() < deadline:
                time.sleep(0.01)
            begun = time.monotonic()
        assert time.monotonic() - begun < 5
        assert child.wait(5) == 1

    def test_an_answer_can_be_late_or_come_in_drips(self, braintrust: BraintrustServer) -> None:
        braintrust.fault("/version", delay=0.3)
        begun = time.monotonic()
        assert asked(braintrust, "GET", "/version")[0] == 200
        assert time.monotonic() - begun >= 0.3
        braintrust.fault("/v1/project_logs", drip=True)
        begun = time.monotonic()
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(braintrust.url + "/v1/project_logs", timeout=20)
        with caught.value as answer:
            assert answer.read(2) == b"In"
        assert time.monotonic() - begun >= 2


class TestCommand:
    def test_it_runs_a_program_and_prints_its_rows(self) -> None:
        code = """
import braintrust
with braintrust.init_logger(project="p").start_span("outer", type="task") as span:
    span.start_span("inner", type="llm").end()
braintrust.flush()
raise SystemExit(3)
"""
        command = [sys.executable, "-m", "tests.loopback.braintrust", "--", sys.executable, "-c", code]
        child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert child.returncode == 3
        assert child.stdout.splitlines() == ["2 rows", "outer [task]", "  inner [llm] < outer"]

    def test_without_a_program_it_serves_until_interrupted(self) -> None:
        command = [sys.executable, "-m", "tests.loopback.braintrust"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            url = child.stdout.readline().split()[0]
            request = urllib.request.Request(f"{url}/version", headers={"Authorization": f"Bearer {KEY}"})
            with urllib.request.urlopen(request, timeout=5) as answer:
                assert answer.status == 200
            child.send_signal(signal.SIGINT)
            assert child.wait(5) == 0
