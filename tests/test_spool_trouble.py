"""The spool when the disk is full, the folder is not ours, or a file is damaged: one warning, and the rest goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.loopback.braintrust import BraintrustServer
from tests.machines import CALLS, Machine
from tests.sinks import Sinks, counts, flushed, outputs, span

# Bytecode is not written: Python would keep what is cut off by the limit, for all programs to come.
FULL = f"""
import resource, sys
sys.dont_write_bytecode = True
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
{CALLS}
"""


@pytest.mark.parametrize("mode", ["on-failure", "always"])
def test_a_full_disk_is_said_once_and_costs_only_what_is_not_delivered(
    machine: Machine, braintrust_api: BraintrustServer, mode: str
) -> None:
    braintrust_api.fault("/v1", status=500, times=None)
    done = machine.run("one", "two", code=FULL, BTTRACE_SPOOL=mode, BTTRACE_EXIT_TIMEOUT="0.5")
    assert done.code == 0
    full, lost = done.said
    assert f"spool {machine.spool}" in full
    assert "BTTRACE_SPOOL_DIR" in full
    assert "2 spans were not delivered by the exit and are lost" in lost
    assert machine.rows == []


def test_a_folder_that_cannot_be_made_is_said_once(
    sinks: Sinks, braintrust_api: BraintrustServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    folder = str(tmp_path / "file" / "spool")
    sink = sinks.sink(spool="always", spool_dir=folder)
    for name in ("one", "two"):
        sink.write(span(name, 1), None)
    assert flushed(sink, is_last=True)
    [line] = capsys.readouterr().err.splitlines()
    assert folder in line
    assert outputs(braintrust_api) == {"one": 1, "two": 1}


@pytest.mark.parametrize("why", ["open to others", "somebody else"])
def test_a_folder_that_others_can_reach_is_not_used(
    sinks: Sinks, capsys: pytest.CaptureFixture[str], why: str
) -> None:
    sinks.folder.mkdir(mode=0o755)
    if why == "somebody else":
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        sinks.folder.chmod(0o700)
        os.chown(sinks.folder, 12345, 12345)
    sink = sinks.sink(api_url="http://127.0.0.1:9")
    sink.write(span("one", 1), None)
    assert not flushed(sink, 0.3, is_last=True)
    unused, lost = capsys.readouterr().err.splitlines()
    assert f"spool folder {sinks.folder} is not used" in unused
    assert why in unused
    assert "BTTRACE_SPOOL_DIR" in unused
    assert "1 span was not delivered by the exit and is lost" in lost
    assert counts(sink) == (0, 0, 0, 1)
    assert list(sinks.folder.iterdir()) == []


def _left(sinks: Sinks, *names: str) -> Path:
    """Leaves spans in the spool; gives the file."""
    dead = sinks.sink(api_key="wrong")
    for name in names:
        dead.write(span(name, name), None)
    flushed(dead, is_last=True)
    dead.close()
    [segment] = sinks.files
    return segment


def test_damaged_lines_are_skipped_and_the_others_delivered(
    sinks: Sinks, braintrust_api: BraintrustServer, capsys: pytest.CaptureFixture[str]
) -> None:
    segment = _left(sinks, "one", "two", "three")
    header, one, two, three = segment.read_bytes().splitlines()
    segment.write_bytes(b"\n".join([header, one, b"\xff{]", two[:50], b"[]", three, three[:-9]]))
    assert flushed(sinks.sink(), is_last=True)
    assert f"spool file {segment} is damaged: 4 lines skipped" in capsys.readouterr().err
    assert outputs(braintrust_api) == {"one": "one", "three": "three"}
    assert sinks.files == []


def test_a_file_without_its_header_is_delivered(sinks: Sinks, braintrust_api: BraintrustServer) -> None:
    segment = _left(sinks, "one", "two")
    segment.write_bytes(b"\n".join(segment.read_bytes().splitlines()[1:]))
    assert flushed(sinks.sink(), is_last=True)
    assert outputs(braintrust_api) == {"one": "one", "two": "two"}


def test_what_is_a_week_old_is_given_up_and_said(
    sinks: Sinks, braintrust_api: BraintrustServer, capsys: pytest.CaptureFixture[str]
) -> None:
    segment = _left(sinks, "one")
    before = time.time() - 7 * 86_400 - 60
    os.utime(segment, (before, before))
    sink = sinks.sink()
    sink.write(span("two", 2), None)
    assert flushed(sink, is_last=True)
    assert "older than 7 days" in capsys.readouterr().err
    assert outputs(braintrust_api) == {"two": 2}
    assert sinks.files == []


def test_another_project_of_that_name_leaves_it_alone(sinks: Sinks, braintrust_api: BraintrustServer) -> None:
    segment = _left(sinks, "one")
    lines = segment.read_bytes().splitlines()
    lines[0] = b'{"bttrace_spool":1,"project_id":"another","project_name":"P"}'
    segment.write_bytes(b"\n".join(lines) + b"\n")
    assert flushed(sinks.sink(), is_last=True)
    assert outputs(braintrust_api) == {}
    assert sinks.files == [segment]
