"""`python -m bttrace.replay`: what programs left is delivered on demand, and what it says is so."""

from __future__ import annotations

from pathlib import Path

from tests.loopback.braintrust import BraintrustServer
from tests.machines import Machine, asked


def _fill(machine: Machine, server: BraintrustServer, *texts: str, **variables: str) -> None:
    server.fault("/v1", status=500, times=None)
    done = machine.run(*texts, **variables)
    assert "are kept in" in done.err or "is kept in" in done.err
    server.heal()


def test_it_delivers_what_is_there_and_says_so(machine: Machine, braintrust_api: BraintrustServer) -> None:
    _fill(machine, braintrust_api, "one", "two")
    done = machine.replay()
    assert (done.code, done.out, done.err) == (0, "2 spans delivered to project 'P'.\n", "")
    assert asked(braintrust_api) == ["one", "two"]
    done = machine.replay()
    assert (done.code, done.err) == (0, "")
    assert done.out == f"nothing is left to be delivered for project 'P' in {machine.spool}.\n"
    assert set(braintrust_api.deliveries.values()) == {1}


def test_what_cannot_be_delivered_stays_and_is_told(
    machine: Machine, braintrust_api: BraintrustServer
) -> None:
    _fill(machine, braintrust_api, "one")
    braintrust_api.fault("/v1", status=500, times=None)
    done = machine.replay()
    assert done.code == 1
    first, second = done.out.splitlines()
    assert first == "0 spans delivered to project 'P'."
    assert second.startswith("1 span left in ")
    assert second.endswith("answers 500.")
    braintrust_api.heal()
    done = machine.replay(BRAINTRUST_API_KEY="wrong")
    assert done.code == 1
    assert "BRAINTRUST_API_KEY" in done.err
    assert machine.replay().code == 0
    assert asked(braintrust_api) == ["one"]


def test_without_a_key_it_says_what_is_missing(machine: Machine) -> None:
    done = machine.replay(BRAINTRUST_API_KEY="")
    assert (done.code, done.out) == (1, "")
    assert "BRAINTRUST_API_KEY" in done.err


def test_the_key_may_stand_in_the_env_file(
    machine: Machine, braintrust_api: BraintrustServer, tmp_path: Path
) -> None:
    _fill(machine, braintrust_api, "one")
    (tmp_path / ".env.braintrust").write_text(f"BRAINTRUST_API_KEY={braintrust_api.key}\n")
    done = machine.replay(BRAINTRUST_API_KEY="")
    assert (done.code, done.err) == (0, "")
    assert asked(braintrust_api) == ["one"]


def test_other_projects_are_named_and_left_alone(machine: Machine, braintrust_api: BraintrustServer) -> None:
    _fill(machine, braintrust_api, "one", BRAINTRUST_PROJECT_NAME="Other")
    done = machine.replay()
    assert (done.code, done.err) == (0, "")
    first, second = done.out.splitlines()
    assert first.startswith("nothing is left to be delivered for project 'P'")
    assert second.startswith("1 span for project 'Other' are there too")
    assert braintrust_api.rows() == []
