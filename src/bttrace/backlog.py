"""What waits between the application's threads and the writer, bounded in items and in bytes.

Owns the order, the bounds, and what goes when there is no room: the oldest. What its going
leaves half open is put *aside*, where the writer finds it first.

The *weight* of an item is about how many bytes it keeps in memory, as far as whoever gives it
knows without looking. One without weight is a *notice*: what it tells of is kept elsewhere.

There is no lock. The writer adds to `gone`, the others to `came`; what two threads that
add at once may take from each other is made good whenever the writer finds nothing left.
"""

from __future__ import annotations

from collections import deque
from weakref import ref

from .classes import dataclass
from .contracts import Observation
from .executions import Execution
from .process.native import Event

LIMIT = 10_000  # items
LIMIT_BYTES = 32 * 2**20
ITEM = 1024  # bytes that are taken for an item of which nothing is known
HEAVIEST = LIMIT_BYTES // 2  # bytes that an item counts for: one that is huge has room beside others

BEGUN: list[object] = []
What = list[object] | None
"""Chunks of a stream, or `BEGUN`, or `None` for what has ended."""
Item = tuple[Observation | Execution, What, int]


class Mark:
    """A place in the queue; `reached` when all before it was written."""

    def __init__(self, *, is_last: bool) -> None:
        self.is_last = is_last  # nothing more will be heard of what is open
        self.reached = Event()


@dataclass(frozen=True, slots=True)
class Lost:
    """That the end of something was dropped, by the key that the trees know it by."""

    key: object


class Backlog:
    """A queue that many threads add to and one takes from. `dropped` counts spans, and parts of them."""

    __slots__ = ("_aside", "came", "dropped", "gone", "items")

    def __init__(self) -> None:
        self.items: deque[Item | Mark] = deque()
        self.came = 0
        self.gone = 0
        self.dropped = 0
        self._aside: deque[Item | Mark | Lost] = deque()

    @property
    def weight(self) -> int:
        """Gives about how many bytes wait."""
        return self.came - self.gone

    def __bool__(self) -> bool:
        return bool(self.items or self._aside)

    def make_room(self) -> None:
        """Drops the oldest, until one more may come. Called on the application's threads."""
        items = self.items
        while len(items) >= LIMIT or self.weight >= LIMIT_BYTES:
            try:
                item = items.popleft()
            except IndexError:
                return
            if isinstance(item, Mark):
                self._aside.append(item)  # all before it was written, or dropped
                continue
            observation, what, weight = item
            self.came -= weight
            if weight:
                self._drop(observation, what)
            else:
                self._set_aside(item)

    def _drop(self, observation: Observation | Execution, what: What) -> None:
        if isinstance(observation, Execution):
            self._drop_execution(observation, what)
        elif what is None:
            self.dropped += 1
            key = ref(observation)
            hash(key)  # it has none once the call is gone
            self._set_aside(Lost(key))
        elif what is not BEGUN:  # of a call whose beginning is not heard of, the end tells all
            self.dropped += 1
            what.clear()  # the stream's call has them as well

    def _drop_execution(self, execution: Execution, what: What) -> None:
        self.dropped += not execution.is_dropped
        execution.is_dropped = True
        if what is not BEGUN:
            execution.result, execution.arguments = None, {}
            self._set_aside(Lost(execution))
        elif execution.awaited is not None:
            execution.awaited.release()  # it will have no place

    def _set_aside(self, item: Item | Lost) -> None:
        if len(self._aside) < LIMIT:
            self._aside.append(item)

    def taken(self) -> Item | Mark | Lost | None:
        """Takes the next, if there is one. Called on the writer thread."""
        for line in (self._aside, self.items):
            try:
                item = line.popleft()
            except IndexError:  # another thread made room meanwhile
                continue
            if isinstance(item, tuple):
                self.gone += item[2]
            return item
        self.gone = self.came
        return None
