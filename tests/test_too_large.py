"""Nothing is too large: what is binary goes beside the row, what is text is cut, and neighbours do not notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import bttrace
from tests.doors import PYTHON, environment, finished
from tests.loopback import replies
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.machines import Machine, asked

MB = 2**20
IMAGE_MB = 37  # of bytes; 50 MB of base64


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(replies.chat("Hello"))
        yield server


# What runs at exit first is registered last: so its peak includes what we do at exit.
LARGE = f"""
import atexit, base64, resource, sys
atexit.register(lambda: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
import openai
client = openai.OpenAI(max_retries=0)
def ask(content):
    answer = client.chat.completions.create(model="m", messages=[{{"role": "user", "content": content}}])
    assert answer.choices[0].message.content == "Hello"
ask("before")
image = "data:image/png;base64," + base64.b64encode(b"\\x89PNG\\r\\n\\x1a\\n" + bytes({IMAGE_MB * MB})).decode()
ask([{{"type": "image_url", "image_url": {{"url": image}}}}])
ask("after")
"""


def _peak(command: list[str], variables: dict[str, str], cwd: Path) -> float:
    """Runs the program; gives its peak memory, in MB."""
    done = finished([PYTHON, *command], environment(variables), cwd)
    assert (done.code, done.err) == (0, "")
    return int(done.out) / 1024


def test_a_gigantic_image_harms_no_neighbour_and_memory_is_bounded(
    provider: ProviderServer, tmp_path: Path
) -> None:
    with BraintrustServer() as server:
        bare = _peak(["-c", LARGE], provider.env(), cwd=tmp_path)
        variables = {**server.env(), "BRAINTRUST_PROJECT_NAME": "P", "BTTRACE_EXIT_TIMEOUT": "60"}
        traced = _peak(["-m", "bttrace.run", "-c", LARGE], {**variables, **provider.env()}, cwd=tmp_path)
        before, image, after = server.rows("P")
        assert [row["input"][0]["content"] for row in (before, after)] == ["before", "after"]
        reference = image["input"][0]["content"][0]["image_url"]["url"]
        data = server.attachments[reference["key"]].data
        assert data is not None
        assert len(data) == IMAGE_MB * MB + 8
        assert server.attachment_flaws == []
        assert all(len(request.body) < MB for request in server.requests if request.route.endswith("/insert"))
    assert traced - bare < 2 * IMAGE_MB + 30  # of which 20 are bttrace itself, urllib3 and a second thread


def _enable(server: BraintrustServer) -> None:
    bttrace.enable(api_key=server.key, api_url=server.url, app_url=server.url, project="P")


def _call(provider: ProviderServer, text: str) -> None:
    with openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as client:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])


def test_a_text_over_what_a_request_may_hold_is_cut_before_it_is_sent(provider: ProviderServer) -> None:
    with BraintrustServer() as server:
        _enable(server)
        for text in ("before", "x" * 20_000_000, "after"):
            _call(provider, text)
        assert bttrace.flush(60)
        before, large, after = server.rows("P")
        assert {request.status for request in server.requests} == {200}
    assert [row["input"][0]["content"] for row in (before, after)] == ["before", "after"]
    said = large["input"][0]["content"]
    assert said.startswith("x" * MB)
    assert said.endswith(" characters cut)")
    assert large["metadata"]["model"] == before["metadata"]["model"]
    assert large["metadata"]["bytes_cut"] == pytest.approx(20_000_000 - len(said), abs=200)
    assert large["output"] == before["output"]
    assert large["metrics"].keys() == before["metrics"].keys()


def test_a_row_that_is_refused_as_too_large_comes_again_cut_down(
    provider: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with BraintrustServer(max_bytes=200_000) as server:
        _enable(server)
        for text in ("before", "x" * 1_000_000, "after"):
            _call(provider, text)
        assert bttrace.flush(60)
        rows: dict[int, Any] = {len(row["input"][0]["content"]): row for row in server.rows("P")}
        assert set(server.deliveries.values()) == {1}
    assert [rows[len(text)]["input"][0]["content"] for text in ("before", "after")] == ["before", "after"]
    large = rows[max(rows)]
    assert large["input"][0]["content"].startswith("x" * 10_000)
    assert len(json.dumps(large)) < 2**16 + 1000
    assert large["metadata"]["bytes_cut"] > 900_000
    assert large["output"] == rows[len("before")]["output"]
    counts = bttrace.status().sinks["braintrust"]
    assert (counts.sent, counts.lost) == (3, 0)
    assert capsys.readouterr().err == ""


SIZES = """
import openai, sys
client = openai.OpenAI(max_retries=0)
for word in sys.argv[1:]:
    text, _, times = word.partition("*")
    messages = [{"role": "user", "content": text * int(times or 1)}]
    client.chat.completions.create(model="m", messages=messages)
"""


@pytest.mark.parametrize("spool", ["on-failure", "always"])
def test_what_no_request_is_small_enough_for_is_given_up_once_and_left_to_nobody(
    provider: ProviderServer, tmp_path: Path, spool: str
) -> None:
    with BraintrustServer(max_bytes=10_000) as server:
        machine = Machine(server, provider, tmp_path)
        done = machine.run(
            "before", "x*1000000", "between", "y*5000", "after", code=SIZES, BTTRACE_SPOOL=spool
        )
        assert done.code == 0
        assert len(done.said) == 1
        assert "413" in done.err
        expected = ["before", "between", "y" * 5_000, "after"]
        assert sorted(asked(server)) == sorted(expected)
        assert machine.files == []
        assert machine.run("again", BTTRACE_SPOOL=spool).err == ""
        assert sorted(asked(server)) == sorted([*expected, "again"])
        assert set(server.deliveries.values()) == {1}
