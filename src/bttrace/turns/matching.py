"""Which turn the results that a request brings are for, and which calls they answer. PURE.

An id is the evidence. Hosts that number each answer's calls anew use one again, in a turn and
across turns: then what the request repeats of its history must tell which call is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..classes import dataclass
from ..evidence import Asked, Result, alike, is_unnumbered
from .iterations import Iteration, Pending, Turn

Calls = dict[Pending, None]


@dataclass(frozen=True, slots=True)
class Match:
    """The turn that a request goes on with, the iteration it follows, and the calls it has results for.

    `asked_by` is the key of the call whose answer it goes on from, where the request names one.
    """

    turn: Turn
    iteration: Iteration
    pairs: tuple[tuple[Result, Pending], ...] = ()
    asked_by: object = None

    @property
    def next(self) -> Iteration | None:
        """Gives the iteration that follows, if there is one: then this is another try of it."""
        return self.turn.at(self.iteration.number + 1)

    def is_awaited(self, asked: Asked) -> bool:
        """Tells whether a turn still waits for what a request with a new message of the user brings."""
        if any(not call.is_returned for _, call in self.pairs):
            return True
        known = self.next
        return known is not None and known.prompt is not None and known.prompt == newest(asked)


def newest(asked: Asked) -> str | None:
    """Gives the words that the user said after the model did, if any."""
    return asked.prompts[-1] if asked.is_prompted and asked.prompts else None


def chosen(asked: Asked, calls: Mapping[str, Calls], named: Turn | None, root: str | None) -> Turn | None:
    """Gives the turn that most speaks for; `named` is the one that the request names itself, if it does."""
    votes: dict[Turn, tuple[set[str], bool]] = {}
    reused: set[str] = set()
    for result in asked.brought:
        known = calls.get(result.id, {})
        if is_unnumbered(result.id) or len({call.turn for call in known}) > 1:
            reused.add(result.id)
        for call in known:
            if named in (None, call.turn) and (_tells(result, call) or result.id not in reused):
                ids, waits = votes.setdefault(call.turn, (set(), False))
                ids.add(result.id)
                votes[call.turn] = (ids, waits or not call.is_returned)
    prompts = frozenset(asked.prompts)
    ranks = {
        turn: _rank(turn, asked, prompts)
        for turn, (ids, _) in votes.items()
        if turn is named or not ids <= reused or not prompts or turn.prompt is None or turn.prompt in prompts
    }
    return max(
        ranks,
        key=lambda turn: (
            ranks[turn],
            len(votes[turn][0]),
            votes[turn][1],
            asked.session is not None and asked.session == turn.session,
            turn.step.place.root_span_id == root,
            -turn.step.started,
        ),
        default=None,
    )


def _rank(turn: Turn, asked: Asked, prompts: frozenset[str]) -> int:
    """Gives how much of the user's words speaks for a turn; the message that the round follows most."""
    if turn.prompt is None:
        return 0
    if asked.follows is not None:
        return 2 * (turn.prompt == asked.follows) or int(turn.prompt in prompts)
    return int(turn.prompt in prompts)


def paired(
    turn: Turn, asked: Asked, calls: Mapping[str, Calls], named: Match | None
) -> tuple[tuple[Result, Pending], ...]:
    """Gives the calls of a turn that results answer; those of the answer that it `named` before others.

    A history that goes back to the turn's prompt has the turn whole, so that the first result is
    that of the first call; one that was cut is known by its end.
    """
    whole = turn.prompt is not None and turn.prompt == asked.follows
    found: list[tuple[Result, Pending]] = []
    by_echo: dict[int, Pending] = {}
    used: dict[Iteration, Pending] = {}
    taken: set[int] = set()
    for result in asked.brought if whole else reversed(asked.brought):
        own = [call for call in calls.get(result.id, ()) if call.turn is turn]
        if result.echo is None and named is not None:
            own = [call for call in own if call.iteration is named.iteration] or own
            own = [call for call in own if call.asked_by == named.asked_by] or own
        call = by_echo.get(id(result.echo)) if result.echo is not None else None
        if call is None:
            open_ = [one for one in own if id(one) not in taken and _is_of_one_answer(one, used)]
            call = _nearest(result, open_, whole=whole)
        if call is None:
            continue
        taken.add(id(call))
        used.setdefault(call.iteration, call)
        if result.echo is not None:
            by_echo[id(result.echo)] = call
        found.append((result, call))
    return tuple(found)


def _nearest(result: Result, calls: Iterable[Pending], *, whole: bool) -> Pending | None:
    """Gives the first call, or the last, that a result can answer; first those that its echo tells."""
    known = sorted(calls, key=lambda call: call.iteration.number)
    exact = [call for call in known if _tells(result, call)] or known
    if result.echo is None:  # nothing but the id is known: whose result is still awaited is meant
        exact = [call for call in exact if not call.is_returned] or exact
        return exact[-1] if exact else None
    return (exact[0] if whole else exact[-1]) if exact else None


def _is_of_one_answer(call: Pending, used: Mapping[Iteration, Pending]) -> bool:
    """Tells whether a call is not of another try than one of the same iteration that has its result."""
    other = used.get(call.iteration)
    return other is None or other.asked_by == call.asked_by


def _tells(result: Result, call: Pending) -> bool:
    """Tells whether the call that a history repeats is this one, as far as it repeats it."""
    echo = result.echo
    return echo is None or (echo.name == call.asking.name and alike(echo.arguments, call.asking.arguments))
