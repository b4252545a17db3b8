"""The count of what became of each span.

Owns that a span counts once, as it was last, though its rows come more than once. Any thread
may count. Knows neither what waits nor where anything is.
"""

from __future__ import annotations

from collections import OrderedDict

from ..process.native import allocate_lock
from .spooling.segments import Fate, Segment

_REMEMBERED = 10_000  # ids of spans that were lost or kept, the latest


class Tally:
    """`sent` arrived, `kept` are on disk, `lost` are gone; what waits is not here."""

    def __init__(self) -> None:
        self.sent = 0
        self.kept = 0
        self.lost = 0
        self._places: OrderedDict[str, Segment | None] = OrderedDict()  # `None` of those that are lost
        self._lock = allocate_lock()

    def count_sent(self, spans: int = 1) -> None:
        """Counts spans that arrived."""
        with self._lock:
            self.sent += spans

    def count_lost(self, identity: str) -> None:
        """Counts a span that is gone."""
        with self._lock:
            self.lost += 1
            self._remember(identity, None)

    def count_kept(self, identity: str, segment: Segment) -> None:
        """Counts a span that is on disk, and does not wait in memory any more."""
        with self._lock:
            self.kept += 1
            segment.spans += 1
            self._remember(identity, segment)

    def count_gone(self, identity: str, segment: Segment) -> None:
        """Counts a span as lost of which the row on disk was given up, if it is counted there."""
        with self._lock:
            if segment.fate == "kept" and segment.spans and self._places.get(identity, segment) is segment:
                segment.spans -= 1
                self.kept -= 1
                self.lost += 1
                self._remember(identity, None)

    def settle(self, segment: Segment, fate: Fate) -> None:
        """Counts the spans of a segment that is not needed any more, or was dropped."""
        with self._lock:
            if segment.fate == "kept" != fate:
                segment.fate = fate
                self._add("kept", -segment.spans)
                self._add(fate, segment.spans)

    def recall(self, identity: str) -> None:
        """Takes back that a span was counted, because it is not done with."""
        with self._lock:
            if identity not in self._places:
                self.sent -= self.sent > 0
                return
            place = self._places.pop(identity)
            if place is None:
                self.lost -= 1
                return
            self._add(place.fate, -1)
            place.spans -= 1

    def _add(self, fate: Fate, spans: int) -> None:
        if fate == "sent":
            self.sent += spans
        elif fate == "kept":
            self.kept += spans
        else:
            self.lost += spans

    def _remember(self, identity: str, place: Segment | None) -> None:
        self._places[identity] = place
        if len(self._places) > _REMEMBERED:
            self._places.popitem(last=False)
