"""How spans are to look, and where one stands. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..classes import dataclass
from ..model import Facts, Json, Metric

Price = Callable[[Facts, Mapping[Metric, float]], "float | None"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a span stands: its ids. Parents are span ids; none for the root of a trace."""

    row_id: str
    span_id: str
    root_span_id: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Style:
    """How spans are to look.

    `span_names` is `turn` or `braintrust`; `capture_content` false leaves out what was
    said; `origin` is the version of bttrace; `environment` is where it runs, if known. `price` gives
    what a call with these counts costs by a price table, if any sink is to be told.
    """

    span_names: str = "turn"
    capture_content: bool = True
    origin: str = ""
    environment: Json | None = None
    price: Price | None = None
