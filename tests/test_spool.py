"""The spool: what is not delivered by the exit is on disk, and the next process delivers it, once."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.loopback.braintrust import BraintrustServer
from tests.machines import Machine, asked


def test_what_was_not_delivered_is_delivered_by_the_next_start_once(
    machine: Machine, braintrust_api: BraintrustServer
) -> None:
    braintrust_api.fault("/v1", status=500, times=None)
    done = machine.run("one", "two", "three", BTTRACE_EXIT_TIMEOUT="0.5")
    assert done.code == 0
    [line] = done.said
    address = braintrust_api.url.removeprefix("http://")
    assert line.startswith(f"bttrace: {address} answers 500: 3 spans were not delivered by the exit")
    assert f"kept in {machine.spool}" in line
    assert line.endswith("; the next start delivers them, or python -m bttrace.replay.")
    assert [row["input"][0]["content"] for row in machine.rows] == ["one", "two", "three"]
    for path in [machine.spool, *machine.spool.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path

    braintrust_api.heal()
    done = machine.run("four")
    assert (done.code, done.err) == (0, "")
    assert sorted(asked(braintrust_api)) == ["four", "one", "three", "two"]
    assert set(braintrust_api.deliveries.values()) == {1}
    assert [path for path in machine.spool.rglob("*") if path.is_file()] == []


def test_off_never_touches_the_disk(machine: Machine, braintrust_api: BraintrustServer) -> None:
    braintrust_api.fault("/v1", status=500, times=None)
    done = machine.run("one", BTTRACE_SPOOL="off", BTTRACE_EXIT_TIMEOUT="0.5")
    [line] = done.said
    assert "1 span was not delivered by the exit and is lost" in line
    assert not machine.spool.exists()


def test_as_long_as_all_goes_well_nothing_is_on_disk(
    machine: Machine, braintrust_api: BraintrustServer
) -> None:
    done = machine.run("one")
    assert (done.code, done.err) == (0, "")
    assert asked(braintrust_api) == ["one"]
    assert not machine.spool.exists()


def test_always_leaves_nothing_behind_when_all_goes_well(
    machine: Machine, braintrust_api: BraintrustServer
) -> None:
    done = machine.run("one", "two", BTTRACE_SPOOL="always")
    assert (done.code, done.err) == (0, "")
    assert asked(braintrust_api) == ["one", "two"]
    assert [path for path in machine.spool.rglob("*") if path.is_file()] == []


def test_what_is_left_out_of_spans_and_the_key_are_in_no_file(machine: Machine) -> None:
    machine.run("a-private-text", BTTRACE_CAPTURE_CONTENT="false", BRAINTRUST_API_KEY="private-key")
    [segment] = machine.files
    assert b"llm.generation" in segment.read_bytes()
    for secret in ("a-private-text", "private-key"):
        assert secret.encode() not in segment.read_bytes()
        assert secret not in str(segment)


def test_what_is_on_disk_is_masked(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "masks.py").write_text("def mask(value):\n    return str(value).replace('Ada', '***')\n")
    secret = "sk-proj-" + "Ab1" * 16
    variables = {"BTTRACE_MASK": "masks:mask", "PYTHONPATH": str(tmp_path), "BTTRACE_SPOOL": "always"}
    machine.run(f"I am Ada, my key is {secret}", BRAINTRUST_API_KEY="wrong", **variables)
    [segment] = machine.files
    assert b"I am ***" in segment.read_bytes()
    assert b"Ada" not in segment.read_bytes()
    assert secret.encode() not in segment.read_bytes()
