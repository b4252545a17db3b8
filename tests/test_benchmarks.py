"""That the benchmarks run; what they measure is for people to read."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import headlines, plot
from benchmarks.arrivals import Arrivals
from benchmarks.bodies import ANSWERED, ASKED
from benchmarks.environment import bare, program
from benchmarks.peers import installed as installing
from benchmarks.peers.installed import installed
from benchmarks.peers.table import FLOOR, NOTHING, PEERS, Peer
from benchmarks.results import Results, loaded
from benchmarks.timing import Gone, Reading, interleaved
from tests.doors import PYTHON, ROOT, environment, finished
from tests.matrix.environments import Failed, Tools

CONTENT = (ASKED[0] + b" ... " + ANSWERED[0]).decode()


def results() -> Results:
    """Gives what two benchmarks could have found."""
    found = Results("stubbed", {"bttrace": "0.1", "braintrust": "9.9"})
    figure = found.add(
        "call, processor",
        "us",
        {
            "nothing": [10.0, 12.0],
            "floor": [11.0, 13.0],
            "bttrace": [15.0, 19.0],
            "braintrust": [110.0, 212.0],
        },
    )
    figure.asked(10.0)
    found.arrived = {"bttrace": [4, 4], "braintrust": [3, 4]}
    return found


def test_a_benchmark_prints_its_table_and_names_its_targets() -> None:
    ran = finished([PYTHON, "-m", "benchmarks", "--quick", "isolated"], environment(), ROOT)
    assert ran.code == 0, ran.err
    assert "call: bare" in ran.out
    assert "target  met" in ran.out
    assert "dropped 0" in ran.out


def test_an_unknown_benchmark_is_named() -> None:
    ran = finished([PYTHON, "-m", "benchmarks", "nonsense"], environment(), ROOT)
    assert ran.code == 2
    assert "there is no benchmark nonsense; there are startup" in ran.err


def test_figures_stand_beside_nothing_and_the_floor(capsys: pytest.CaptureFixture[str]) -> None:
    found = results()
    entries = found.figures[0].entries
    assert entries["bttrace"].adds == (5.5, 6.0, 6.5)
    assert entries["bttrace"].to_nothing == pytest.approx(17 / 11)
    assert entries["bttrace"].to_floor == pytest.approx(17 / 12)
    assert entries["nothing"].adds is None
    found.show()
    told = capsys.readouterr().out
    assert "target: 6.000 us, to be under 10: yes" in told
    assert "braintrust: only 3 of 4 calls ARRIVED" in told


def test_results_are_kept_told_and_drawn(tmp_path: Path) -> None:
    results().write(tmp_path)
    kept = loaded("stubbed", tmp_path)
    assert kept is not None
    assert kept.figures[0].adds("braintrust") == 150.0
    assert kept.figures[0].targets[0].met
    assert "| a call, the application's thread alone, µs | 1.0 | **6.0** | 150* |" in headlines.markdown(
        tmp_path
    )
    assert "150*" in headlines.summary(tmp_path)
    for path in plot.draw(tmp_path):
        drawn = ET.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314 - it is our own
        texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
        assert {"bttrace", "braintrust", "6.0", "150*"} <= set(texts)


def test_results_say_nothing_of_whose_machine_it_was(tmp_path: Path) -> None:
    results().write(tmp_path)
    kept = json.loads((tmp_path / "stubbed.json").read_text())
    assert sorted(kept) == [
        "arrived",
        "benchmark",
        "date",
        "figures",
        "machine",
        "notes",
        "python",
        "quick",
        "skipped",
        "versions",
    ]
    assert str(ROOT) not in json.dumps(kept)


def test_a_peer_that_cannot_be_installed_is_named_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def prepared(name: str, *_arguments: object) -> Path:
        if "impossible" in name:
            raise Failed("pip install", f"No matching distribution found in {tmp_path}")
        return Path(sys.executable)

    monkeypatch.setattr(installing, "prepared", prepared)
    monkeypatch.setattr(installing, "tools", lambda: Tools(Path(sys.executable), tmp_path))
    absent = Peer("impossible", "nonsense", ("nonsense==1",))
    present = Peer("possible", "", ("wrapt",))
    found, missing = installed((absent, present))
    assert [one.peer.name for one in found] == ["possible"]
    assert list(missing) == ["impossible"]
    assert "No matching distribution found" in missing["impossible"]
    assert "impossible is SKIPPED, it cannot be installed" in capsys.readouterr().out


def test_a_peer_that_ends_midway_is_skipped_and_the_rest_goes_on(tmp_path: Path) -> None:
    skipped: dict[str, str] = {}
    with program(
        "application.py",
        "nobody",
        "",
        environ=bare(str(tmp_path)),
        cwd=str(tmp_path),
        errors=str(tmp_path / "e"),
    ) as ending:

        def gone() -> Reading:
            return Reading(float(ending.answer("call 1")), 0.0)

        readings = interleaved(
            {"lasting": lambda: Reading(1.0, 1.0), "ending": gone}, 2, skip=skipped.__setitem__
        )
        with pytest.raises(Gone):
            interleaved({"ending": gone}, 2)
    assert readings == {"lasting": [Reading(1.0, 1.0)] * 2}
    assert "ValueError" in skipped["ending"]


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def otlp(*contents: str) -> bytes:
    """Gives an export of spans, each with an attribute."""
    spans = b"".join(
        field(
            2,
            b"\x09" + bytes(8) + field(2, bytes([index] * 8)) + b"\x30\x80\x01" + field(9, content.encode()),
        )
        for index, content in enumerate(contents)
    )
    return field(1, field(1, b"resource") + field(2, field(1, b"scope") + spans))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/traces", otlp(CONTENT, "a span of something else", CONTENT)),
        ("/api/public/otel/v1/traces", gzip.compress(otlp(CONTENT, CONTENT))),
        (
            "/v1/project_logs/p/insert",
            json.dumps({"events": [{"id": "a", "input": CONTENT}, {"id": "b", "x": CONTENT}]}),
        ),
        (
            "/logs3",
            json.dumps(
                {
                    "rows": [
                        {"id": "a", "input": CONTENT},
                        {"id": "b", "input": ASKED[0].decode()},
                        {"id": "b", "_is_merge": True, "output": ANSWERED[1].decode()},
                        {"id": "c", "input": ASKED[0].decode()},
                    ]
                }
            ),
        ),
        (
            "/api/v2/llmobs",
            json.dumps([{"spans": [{"span_id": str(index), "meta": CONTENT}]} for index in range(2)]),
        ),
        ("/v1/metrics", otlp(CONTENT)),
    ],
)
def test_the_sink_counts_the_calls_that_are_told_whole(path: str, body: str | bytes) -> None:
    arrivals = Arrivals()
    arrivals.add(path, body.encode() if isinstance(body, str) else body)
    assert arrivals.calls == (0 if path == "/v1/metrics" else 2)


def test_every_peer_is_pinned() -> None:
    assert {peer.name for peer in PEERS} > {NOTHING.name, FLOOR.name, "bttrace", "braintrust"}
    assert all("==" in requirement for peer in PEERS for requirement in peer.requirements)
