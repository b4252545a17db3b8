"""Which versions are tried together.

Not every combination: each version that counts stands in some row, the oldest together and the newest together, and both
crossed. A requirement without `==` is whatever is newest within it today.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

SHOWN = ("openai", "anthropic", "wrapt", "urllib3", "braintrust", "httpx", "httpx2")


@dataclass(frozen=True)
class Row:
    """One environment: a Python, or "" for the one that runs, what is installed, and what is tested there.

    A quick row is a part of `make test`. The versions of what is `shown` are printed.
    """

    name: str
    python: str
    requirements: tuple[str, ...]
    quick: bool = False
    suite: str = "tests/compatibility"
    shown: tuple[str, ...] = SHOWN


# openai and anthropic of that age pass `proxies` to httpx, which 0.28 has no more.
_OLDEST_SDKS = ("openai==1.8.0", "anthropic==0.20.0", "httpx<0.28")
_NEWEST_SDKS = ("openai", "anthropic")
_OLDEST_OWN = ("wrapt==1.14.0", "urllib3==1.26.18")  # what pyproject.toml allows
_OLDEST_BRAINTRUST = "braintrust==0.0.123"  # the first whose spans tell the ids of their trace

ROWS = (
    Row("oldest", "3.10", (*_OLDEST_SDKS, *_OLDEST_OWN, _OLDEST_BRAINTRUST), quick=True),
    Row(
        "first-majors",
        "3.11",
        ("openai<2", "anthropic<1", "wrapt<2", "urllib3<2", "braintrust<0.5"),
        quick=True,
    ),
    Row("second-majors", "3.12", ("openai<3", "anthropic<2", "wrapt", "urllib3", "braintrust<1")),
    Row("newest", "3.13", (*_NEWEST_SDKS, "wrapt", "urllib3", "braintrust"), quick=True),
    Row("newest-on-3.10", "3.10", (*_NEWEST_SDKS, "wrapt", "urllib3", "braintrust")),
    Row("oldest-on-3.13", "3.13", (*_OLDEST_SDKS, *_OLDEST_OWN, _OLDEST_BRAINTRUST)),
    Row("newest-sdks-oldest-own", "3.12", (*_NEWEST_SDKS, *_OLDEST_OWN, _OLDEST_BRAINTRUST)),
    Row("oldest-sdks-newest-own", "3.12", (*_OLDEST_SDKS, "wrapt", "urllib3", "braintrust")),
    Row("openai-alone", "3.11", ("openai", "wrapt<2", "urllib3")),
    Row("anthropic-alone", "3.10", ("anthropic", "wrapt", "urllib3<2")),
    Row("older-than-the-seam", "3.11", ("openai==1.0.0", "httpx<0.28", "wrapt", "urllib3")),
)


def quick_rows(rows: Iterable[Row] = ROWS) -> tuple[Row, ...]:
    """The quick rows, on the Python that runs."""
    return tuple(replace(row, python="") for row in rows if row.quick)
