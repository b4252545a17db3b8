"""The rows that a loopback Braintrust keeps: by container, merged by id.

Container: the id of a project or an experiment, in which row ids are unique.
Delivery: one arrival of one event, before merging.
"""

import copy
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
"""Any, because every test reads into rows."""

_CONTROLS = frozenset({"_is_merge", "_merge_paths", "_array_delete", "_object_delete"})
_PLACE = frozenset({"created", "span_id", "root_span_id", "span_parents", "_parent_id"})
"""What a merge leaves as the first delivery set it, as the OpenAPI document says of the span ids and braintrust 0.47's
merge_row_batch.py of the rest."""


@dataclass(slots=True)
class Rows:
    """Merged rows in order of first arrival, and every delivery that made them.

    `clashes` are the ids that came more than once in one request.
    """

    deliveries: Counter[str] = field(default_factory=Counter)
    events: list[tuple[str, Row]] = field(default_factory=list)
    clashes: list[str] = field(default_factory=list)
    _containers: dict[str, dict[str, Row]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def insert(self, container: str, events: list[Row]) -> list[str]:
        """Takes the valid events of one request in; gives their row ids in the same order, made up where one has none.

        Those of one id have no order, as braintrust 0.47's merge_row_batch.py says: here the first comes last.
        """
        with self._lock:
            times = Counter(event["id"] for event in events if event.get("id"))
            self.clashes += [identity for identity, count in times.items() if count > 1]
            clashing = any(count > 1 for count in times.values())
            order = reversed(events) if clashing else events
            identities = [self._insert(container, copy.deepcopy(event)) for event in order]
            return identities[::-1] if clashing else identities

    def of(self, container: str) -> list[Row]:
        """Copies of a container's merged rows; none if nothing ever arrived there."""
        with self._lock:
            return copy.deepcopy(list(self._containers.get(container, {}).values()))

    def _insert(self, container: str, event: Row) -> str:
        identity = str(event.get("id") or uuid.uuid4())
        self.deliveries[identity] += 1
        self.events.append((container, copy.deepcopy(event)))
        rows = self._containers.setdefault(container, {})
        row: Row = {"id": identity}
        row.update((name, value) for name, value in event.items() if name not in _CONTROLS | {"id"})
        if event.get("_object_delete"):
            rows.pop(identity, None)
        elif event.get("_is_merge") and identity in rows:
            changes = {name: value for name, value in row.items() if name not in _PLACE}
            _merge(rows[identity], changes, (), _paths(event.get("_merge_paths")))
            _remove(rows[identity], event.get("_array_delete"))
        else:
            rows[identity] = row
        return identity


def _paths(value: object) -> set[tuple[str, ...]]:
    return {tuple(path) for path in value} if isinstance(value, list) else set()


def _merge(target: Row, changes: Row, path: tuple[str, ...], stops: set[tuple[str, ...]]) -> None:
    for name, value in changes.items():
        here = (*path, name)
        present = target.get(name)
        if here in stops:
            target[name] = value
        elif isinstance(present, dict) and isinstance(value, dict):
            _merge(present, value, here, stops)
        elif here == ("tags",) and isinstance(present, list) and isinstance(value, list):
            target[name] = present + [tag for tag in value if tag not in present]
        else:
            target[name] = value


def _remove(row: Row, removals: object) -> None:
    for removal in removals if isinstance(removals, list) else ():
        *parents, last = removal["path"]
        place: object = row
        for name in parents:
            place = place.get(name) if isinstance(place, dict) else None
        if isinstance(place, dict) and isinstance(place.get(last), list):
            place[last] = [item for item in place[last] if item not in removal["delete"]]
