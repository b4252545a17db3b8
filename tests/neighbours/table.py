"""Which neighbours are tried, in the versions whose start-up is known."""

from __future__ import annotations

from tests.matrix.table import Row

_SDKS = ("openai", "anthropic")
_OPENTELEMETRY = ("opentelemetry-distro==0.66b2", "opentelemetry-instrumentation==0.66b2")
_SHOWN = ("ddtrace", "opentelemetry-instrumentation", "langfuse", "coverage", *_SDKS)

ROWS = (
    Row(
        "neighbours",
        "",
        ("ddtrace==4.16.0", *_OPENTELEMETRY, "langfuse==5.0.4", "coverage==7.17.3", *_SDKS),
        suite="tests/neighbours",
        shown=_SHOWN,
    ),
)
