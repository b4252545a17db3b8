"""Without content, no words of recorded exchanges are in any row, whatever the endpoint.

Where the recordings are looked for is in `test_recorded_traffic`. Words are every text with a space in it that the
application sent or was answered, and all that is said in the events of a stream.
"""

import json
import warnings
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from bttrace.testing import capture
from tests import test_recorded_endpoints as endpoints
from tests import test_recorded_traffic as traffic
from tests.recordings import TRAFFIC, Json, events, recorded_server

pytestmark = pytest.mark.skipif(not traffic.RECORDED, reason=f"no recorded traffic in {TRAFFIC}")
LEAST = 12  # characters


def words(value: Any) -> Iterator[str]:
    """Yields every text with words in it, in JSON within texts too."""
    if isinstance(value, dict):
        for held in value.values():
            yield from words(held)
    elif isinstance(value, list):
        for held in value:
            yield from words(held)
    elif isinstance(value, str):
        if value[:1] in ("{", "["):
            try:
                yield from words(json.loads(value))
            except ValueError:
                pass
        if len(value) >= LEAST and any(space in value for space in " \n"):
            yield value


def said(exchange: Json) -> set[str]:
    """Gives what was said in an exchange."""
    body = exchange["response"]["body"]
    answer = events(body) if exchange["stream"] and isinstance(body, str) else body
    return {*words(exchange["request"]["body"]), *words(answer)}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with recorded_server() as url:
        yield url


def test_no_words_of_any_loop_or_exchange_are_told(server: str, capfd: pytest.CaptureFixture[str]) -> None:
    options: Any = {"api_key": "k", "max_retries": 0, "timeout": 20}
    oai = openai.OpenAI(base_url=server + "/v1", **options)
    ant = anthropic.Anthropic(base_url=server, **options)
    with warnings.catch_warnings(), oai, ant, capture(capture_content=False, log="debug") as captured:
        warnings.simplefilter("ignore", DeprecationWarning)
        for exchange in traffic.RECORDED.values():
            traffic.sent(exchange, oai, ant)
        rows = captured.rows
    assert len(rows) > len(traffic.RECORDED)
    _refuse([*rows, {"id": "log", "said": capfd.readouterr().err}], list(traffic.RECORDED.values()))


@pytest.mark.parametrize("exchange_id", sorted(endpoints.RECORDED) or ["none"])
def test_no_words_of_other_endpoints_are_told(
    exchange_id: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = endpoints.RECORDED[exchange_id]
    monkeypatch.setenv("BTTRACE_CAPTURE_CONTENT", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        rows, _ = endpoints.replayed(exchange, server)
    _refuse(rows, [exchange])


def _refuse(rows: list[Json], exchanges: list[Json]) -> None:
    told = {word for row in rows for word in words(row)}
    together = "\n".join(told)
    leaked = {text for exchange in exchanges for text in said(exchange) if text in together}
    assert not leaked
    for row in rows:
        assert not [name for name in row.get("context", {}) if name.startswith("caller_")]
        assert "description" not in json.dumps(row.get("metadata", {}).get("tools", []))
