"""Each row of the table of metrics, for each API: what its usage becomes, and where no metric may stand."""

from __future__ import annotations

from typing import get_args

import pytest

from bttrace.model import Metric
from tests.fields import generation, step, told

# The counts of `tests.fields`, said by each API in its own words: 100 in (30 read, 20 written, 10 of sound), 40 out.
COUNTS: dict[str, tuple[float, str]] = {
    "prompt_tokens": (100, "chat response message openrouter"),
    "completion_tokens": (40, "chat response message openrouter"),
    "tokens": (140, "chat response message openrouter"),
    "prompt_cached_tokens": (30, "chat response message openrouter"),
    "cache_read_tokens": (30, "chat response message openrouter"),
    "prompt_cache_creation_tokens": (20, "chat response message openrouter"),
    "cache_creation_tokens": (20, "chat response message openrouter"),
    "prompt_cache_creation_5m_tokens": (12, "message"),
    "prompt_cache_creation_1h_tokens": (8, "message"),
    "completion_reasoning_tokens": (15, "chat response message openrouter"),
    "prompt_audio_tokens": (10, "chat openrouter"),
    "completion_audio_tokens": (5, "chat openrouter"),
    "completion_image_tokens": (4, "chat openrouter"),
    "estimated_cost": (0.0125, "openrouter"),
    "retries": (2, ""),
    "time_to_first_token": (0, ""),
}
TIMES = {"start", "end", "duration_ms"}
APIS = ("chat", "response", "message", "openrouter")
STREAMS = {"chat": "stream", "message": "streamed message"}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("metric", COUNTS)
def test_a_count(metric: str, api: str) -> None:
    """It is what the API says; one that it does not say is absent, not zero."""
    value, apis = COUNTS[metric]
    expected = value if api in apis.split() else None
    assert generation(api)["metrics"].get(metric) == expected
    if api in STREAMS and metric != "time_to_first_token":
        assert generation(STREAMS[api])["metrics"].get(metric) == expected


@pytest.mark.parametrize("api", APIS)
def test_there_is_no_other_metric(api: str) -> None:
    expected = {name for name, (_, apis) in COUNTS.items() if api in apis.split()}
    assert generation(api)["metrics"].keys() == expected | TIMES


def test_the_table_has_every_metric_that_there_is() -> None:
    assert {*COUNTS, *TIMES} == {*get_args(Metric)}


def test_counts_are_whole_numbers() -> None:
    for api in APIS:
        metrics = generation(api)["metrics"]
        counted = [metrics[name] for name in metrics if name.endswith("tokens")]
        assert {type(count) for count in counted} == {int}


# Times.


def test_start_and_end() -> None:
    """All spans have them, in seconds since the epoch."""
    for rows in told().values():
        for row in rows:
            start, end = row["metrics"]["start"], row["metrics"]["end"]
            assert 1_700_001_000 <= start <= end < 1_700_000_000 + 1000 * (len(told()) + 3)
            assert {type(start), type(end)} == {float}
    assert _lasted("stream") == 7.0


def _lasted(story: str) -> float:
    metrics = generation(story)["metrics"]
    return float(metrics["end"] - metrics["start"])


def test_duration_ms() -> None:
    """Model calls and tools have it, in milliseconds, and nothing else does."""
    assert generation("stream")["metrics"]["duration_ms"] == 7000.0
    assert step("turn", "tool.call (weather)")["metrics"]["duration_ms"] == 2000.0
    for row in [row for rows in told().values() for row in rows]:
        is_timed = row["span_attributes"]["type"] in ("llm", "tool")
        assert ("duration_ms" in row["metrics"]) is is_timed


@pytest.mark.parametrize(
    ("story", "seconds"),
    [
        ("stream", 2.0),  # the role's chunk comes a second before
        ("streamed message", 3.0),  # as do the message's start and its block's, one after the other
        ("stream without usage", 2.0),
        ("stream of nothing", None),
        ("stream that is left", None),
        ("chat", None),
        ("error", None),
    ],
)
def test_time_to_first_token(story: str, seconds: float | None) -> None:
    """Streams that came to one have it, in seconds."""
    assert generation(story)["metrics"].get("time_to_first_token") == seconds


# Where no metric may stand.


def test_a_stream_without_usage_has_no_counts() -> None:
    metrics = generation("stream without usage")["metrics"]
    assert metrics.keys() == TIMES | {"time_to_first_token"}


def test_retries() -> None:
    """Attempts after the first one, where there were any."""
    assert generation("retry")["metrics"]["retries"] == 2
    others = [row for story, rows in told().items() for row in rows if story != "retry"]
    assert [row for row in others if "retries" in row["metrics"]] == []


def test_counts_stand_on_model_calls_alone() -> None:
    """Braintrust sums every span: what a turn came to is metadata."""
    for row in [row for rows in told().values() for row in rows if row["span_attributes"]["type"] != "llm"]:
        allowed = {"start", "end"} | ({"duration_ms"} if row["span_attributes"]["type"] == "tool" else set())
        assert row["metrics"].keys() == allowed
    assert step("turn", "agent turn")["metadata"]["usage"] == {
        "prompt_tokens": 200,
        "completion_tokens": 80,
        "tokens": 280,
        "prompt_cached_tokens": 60,
        "prompt_cache_creation_tokens": 40,
        "completion_reasoning_tokens": 30,
    }


def test_the_split_of_what_was_written_to_a_cache_replaces_the_sum_for_braintrust() -> None:
    """The public specification wants one or the other, `fields` both: it is followed where spans are named its way."""
    metrics = generation("message", span_names="braintrust")["metrics"]
    assert {name for name in metrics if "creation" in name} == {
        "prompt_cache_creation_5m_tokens",
        "prompt_cache_creation_1h_tokens",
    }
