"""The spool when the disk is full, the folder is not ours, or a file is damaged: one warning, and the rest goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.loopback.braintrust import BraintrustServer
from tests.machines import CALLS, Machine, asked

FULL = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
{CALLS}
"""


@pytest.mark.parametrize("mode", ["on-failure", "always"])
def test_a_full_disk_is_said_once_and_costs_only_what_is_not_delivered(
    machine: Machine, braintrust_api: BraintrustServer, mode: str
) -> None:
    done = machine.run("one", "two", code=FULL, BTTRACE_SPOOL=mode)
    assert done.code == 0
    assert asked(braintrust_api) == ["one", "two"]
    assert len(done.said) == (mode == "always"), done.err
    braintrust_api.fault("/v1", status=500, times=None)
    done = machine.run("three", "four", code=FULL, BTTRACE_SPOOL=mode)
    assert done.code == 0
    full, lost = done.said
    assert f"spool {machine.spool}" in full
    assert "BTTRACE_SPOOL_DIR" in full
    assert "2 spans were not delivered by the exit and are lost" in lost
    assert machine.rows == []


def test_a_folder_that_cannot_be_made_is_said_once(
    machine: Machine, braintrust_api: BraintrustServer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    spool = str(tmp_path / "file" / "spool")
    done = machine.run("one", BTTRACE_SPOOL="always", BTTRACE_SPOOL_DIR=spool)
    [line] = done.said
    assert (done.code, spool in line) == (0, True)
    assert asked(braintrust_api) == ["one"]


@pytest.mark.parametrize("why", ["open to others", "somebody else"])
def test_a_folder_that_others_can_reach_is_not_used(
    machine: Machine, braintrust_api: BraintrustServer, why: str
) -> None:
    machine.spool.mkdir(mode=0o755)
    if why == "somebody else":
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        machine.spool.chmod(0o700)
        os.chown(machine.spool, 12345, 12345)
    braintrust_api.fault("/v1", status=500, times=None)
    done = machine.run("one")
    unused, lost = done.said
    assert f"spool folder {machine.spool} is not used" in unused
    assert why in unused
    assert "BTTRACE_SPOOL_DIR" in unused
    assert "is lost" in lost
    assert list(machine.spool.iterdir()) == []


def test_damaged_lines_are_skipped_and_the_others_delivered(
    machine: Machine, braintrust_api: BraintrustServer
) -> None:
    machine.run("one", "two", "three", BRAINTRUST_API_KEY="wrong")
    [segment] = machine.files
    header, one, two, three = segment.read_bytes().splitlines()
    segment.write_bytes(b"\n".join([header, one, b"\xff{]", two[:50], b"[]", three, three[:-9]]))
    done = machine.run("four")
    [line] = done.said
    assert (done.code, f"spool file {segment} is damaged: 4 lines skipped" in line) == (0, True)
    assert sorted(asked(braintrust_api)) == ["four", "one", "three"]
    assert machine.files == []


def test_a_file_without_its_header_is_delivered(machine: Machine, braintrust_api: BraintrustServer) -> None:
    machine.run("one", "two", BRAINTRUST_API_KEY="wrong")
    [segment] = machine.files
    segment.write_bytes(b"\n".join(segment.read_bytes().splitlines()[1:]))
    assert machine.replay().code == 0
    assert asked(braintrust_api) == ["one", "two"]


def test_what_is_a_week_old_is_given_up_and_said(machine: Machine, braintrust_api: BraintrustServer) -> None:
    machine.run("one", BRAINTRUST_API_KEY="wrong")
    [segment] = machine.files
    before = time.time() - 7 * 86_400 - 60
    os.utime(segment, (before, before))
    done = machine.run("two")
    [line] = done.said
    assert "older than 7 days" in line
    assert asked(braintrust_api) == ["two"]
    assert machine.files == []


def test_a_key_of_another_project_of_that_name_leaves_it_alone(machine: Machine) -> None:
    machine.run("one", BRAINTRUST_API_KEY="wrong")
    [segment] = machine.files
    lines = segment.read_bytes().splitlines()
    lines[0] = b'{"bttrace_spool":1,"project_id":"another","project_name":"P"}'
    segment.write_bytes(b"\n".join(lines) + b"\n")
    done = machine.replay()
    assert done.code == 1
    assert "1 span left" in done.out
    assert machine.files == [segment]
