"""Both ends of a traced call, and how a row is held against what the public specification wants of it.

It owns the wire: a provider, a Braintrust, bttrace between them under `BTTRACE_SPAN_NAMES=braintrust`. It must not
know what is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import openai

import bttrace
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer

ASKED: list[Any] = [{"role": "user", "content": "Name a river."}]
WEATHER: dict[str, Any] = {
    "name": "forecast",
    "description": "Tells the weather of a town.",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
}
CALL = ("call_1", "forecast", '{"town":"Oslo"}')
_PROJECT = "Conformance"


@dataclass(frozen=True)
class Service:
    """The provider that answers, clients that ask it, and the Braintrust that is told."""

    provider: ProviderServer
    braintrust: BraintrustServer
    oai: Any
    ant: Any

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All rows of calls so far, after their way over the wire, each delivered once; not those of turns around them."""
        assert bttrace.flush()
        rows = [
            row
            for row in self.braintrust.rows(_PROJECT)
            if row["context"]["span_origin"]["instrumentation"]["name"] != "bttrace.turns"
        ]
        assert all(self.braintrust.deliveries[row["id"]] == 1 for row in rows)
        return rows

    @property
    def row(self) -> dict[str, Any]:
        """The one row that there must be: every call is exactly one `llm` span."""
        [row] = self.rows
        return row

    def enable(self, **options: str) -> None:
        """Traces anew, with these options."""
        server = self.braintrust
        bttrace.disable()
        bttrace.enable(
            api_key=server.key, api_url=server.url, app_url=server.url, project=_PROJECT, **options
        )


@contextmanager
def served() -> Iterator[Service]:
    """Gives both ends, traced with the names of Braintrust's own integrations."""
    with ProviderServer() as provider, BraintrustServer() as server:
        of_openai, of_anthropic = provider.openai_url, provider.anthropic_url
        with (
            openai.OpenAI(base_url=of_openai, api_key="k", max_retries=0) as oai,
            anthropic.Anthropic(base_url=of_anthropic, api_key="k", max_retries=0) as ant,
        ):
            service = Service(provider, server, oai, ant)
            service.enable(span_names="braintrust")
            yield service
            bttrace.disable()


def count(value: object) -> bool:
    return type(value) is int and value >= 0


def number(value: object) -> bool:
    return type(value) in (int, float) and value >= 0  # type: ignore[operator]


def absent(value: object) -> bool:
    return value is None


def text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def starts(prefix: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value.startswith(prefix)


def faults(found: Any, wanted: Any, path: str = "") -> list[str]:
    """Where a value is not what is wanted: tests hold, mappings may have more, lists may go on."""
    if callable(wanted):
        return [] if wanted(found) else [f"{path}: {found!r} is not {wanted.__name__}"]
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return [f"{path}: {found!r} is no object"]
        return [
            fault
            for name, value in wanted.items()
            for fault in faults(found.get(name), value, f"{path}.{name}")
        ]
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) < len(wanted):
            return [f"{path}: {found!r} is too short"]
        return [fault for i, value in enumerate(wanted) for fault in faults(found[i], value, f"{path}[{i}]")]
    return [] if found == wanted else [f"{path}: {found!r} is not {wanted!r}"]
