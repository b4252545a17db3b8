"""W3C's `traceparent` and Braintrust's own in `baggage`, read and written."""

from __future__ import annotations

import importlib
import importlib.util
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bttrace.surroundings.traceparent import Traceparent, container, headers, is_within, parsed

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PROJECT = {"project_id": "p-1", "project_name": "Träume, 100%; a=b"}


@pytest.mark.parametrize(
    ("header", "is_sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f" 00-{TRACE}-{SPAN}-03\t", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"01-{TRACE}-{SPAN}-09-what-ever will be", True),
    ],
    ids=["sampled", "not-sampled", "blanks", "later-version", "later-version-with-more"],
)
def test_a_span_is_read(header: str, is_sampled: bool) -> None:
    assert parsed(header) == (Traceparent(TRACE, SPAN, is_sampled), "")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "zz",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{TRACE[:-1]}ß-{SPAN}-01",
    ],
)
def test_what_is_no_span_is_a_fault(header: str) -> None:
    found, fault = parsed(header)
    assert found is None
    assert fault


@given(st.text())
def test_any_text_is_a_span_or_a_fault(header: str) -> None:
    found, fault = parsed(header)
    assert (found is None) == bool(fault)


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_what_is_written_is_read(trace: int, span: int, is_sampled: bool) -> None:
    named = Traceparent(f"{trace:032x}", f"{span:016x}", is_sampled)
    assert parsed(str(named)) == (named, "")


@pytest.mark.parametrize(
    ("baggage", "named"),
    [
        ("braintrust.parent=project_id%3Ap-1", "project_id:p-1"),
        ("a=1, braintrust.parent = project_name:b ;property=1,c=2", "project_name:b"),
        ("braintrust%2Eparent=experiment_id%3Ae", "experiment_id:e"),
        ("braintrust.parent=", None),
        ("braintrust.parents=project_id:a,parent", None),
        (",,;=,=", None),
        ("", None),
        (",".join(f"k{number}=1" for number in range(64)) + ",braintrust.parent=project_id:a", None),
        ("a=" + "b" * 8192 + ",braintrust.parent=project_id:a", None),
    ],
)
def test_the_container_that_baggage_names(baggage: str, named: str | None) -> None:
    assert container(baggage) == named


@given(st.text())
def test_any_baggage_is_read(baggage: str) -> None:
    assert container(baggage) != ""


@pytest.mark.parametrize(
    ("named", "project", "within"),
    [
        ("project_id:p-1", PROJECT, True),
        (f"project_name:{PROJECT['project_name']}", PROJECT, True),
        ("project_id:p-2", PROJECT, False),
        ("project_id:p-1", {"project_id": None, "project_name": "p-1"}, False),
        ("project_id:None", {"project_id": None}, False),
        ("project_id:", {"project_id": ""}, False),
        ("experiment_id:p-1", PROJECT, False),
        ("p-1", PROJECT, False),
        (None, PROJECT, False),
    ],
)
def test_whether_a_container_is_our_project(
    named: str | None, project: dict[str, object], within: bool
) -> None:
    assert is_within(named, project) is within


@given(st.text(string.printable, min_size=1))
def test_the_container_that_is_written_is_read(name: str) -> None:
    said = headers(Traceparent(TRACE, SPAN), {"project_id": None, "project_name": name})
    assert is_within(container(said["baggage"]), {"project_name": name})


def test_headers_without_a_project_that_is_known() -> None:
    assert headers(
        Traceparent(TRACE, SPAN, is_sampled=False), {"project_id": None, "project_name": None}
    ) == {"traceparent": f"00-{TRACE}-{SPAN}-00"}


@pytest.mark.skipif(not importlib.util.find_spec("braintrust"), reason="braintrust is not installed")
@pytest.mark.parametrize("project", [PROJECT, {"project_id": "p-1", "project_name": None}])
def test_braintrust_reads_what_is_written(project: dict[str, object]) -> None:
    propagation: Any = importlib.import_module("braintrust.propagation")

    said = headers(Traceparent(TRACE, SPAN), project)
    assert propagation.parse_traceparent(said["traceparent"]) == (TRACE, SPAN, "01")
    named = propagation.parse_baggage(said["baggage"])["braintrust.parent"]
    assert is_within(named, project)
    assert container(str(propagation.merge_baggage("a=1", named))) == named
