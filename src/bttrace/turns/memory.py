"""What is remembered of turns, so that a request finds its own. PURE.

Owns the ways to a turn: by the id of a tool call, of a response, of what was left unfinished, and
how much of all that is kept. Ids may be used again by hosts that number them anew in each
answer; then what the request repeats of its history must tell which turn is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..evidence import Answer, Asked, weight
from .fitting import fits
from .iterations import Iteration, Pending, Turn

_TURNS = 1000  # that are remembered
_WEIGHT = 64 * 2**20  # bytes, about, of what they hold
_IDLE = 3600.0  # seconds after which nothing more is expected of a turn


class Memory:
    """The latest turns. `forgotten` is called with each turn that is given up."""

    def __init__(self, forgotten: Callable[[Turn], None]) -> None:
        self._forgotten = forgotten
        self._turns: dict[Turn, None] = {}
        self._weight = 0
        self._calls: dict[str, list[Pending]] = {}
        self._waiting: dict[str, list[Pending]] = {}
        self._answers: dict[str, tuple[Turn, Iteration]] = {}
        self._left: dict[str, tuple[Turn, Iteration]] = {}
        self._sessions: dict[tuple[str, str], str | None] = {}
        self._unnumbered: dict[Turn, None] = {}
        self._summaries: dict[str, str] = {}

    # What is known.

    def opened(self, turn: Turn) -> None:
        """Remembers a new turn."""
        self._weight += turn.weight

    def touched(self, turn: Turn, at: float) -> None:
        """Notes that something came of a turn; gives up the turns of which nothing came longest."""
        turn.touched = max(turn.touched, at)
        self._turns.pop(turn, None)
        self._turns[turn] = None
        while len(self._turns) > 1:
            oldest = next(iter(self._turns))
            full = len(self._turns) > _TURNS or self._weight > _WEIGHT
            if not full and oldest.touched + _IDLE > at:
                break
            self._forget(oldest)

    def asked(self, call: Pending) -> None:
        """Remembers a tool call that an answer asked for."""
        self._calls.setdefault(call.asking.id, []).append(call)
        self._waiting.setdefault(call.asking.name, []).append(call)
        added = weight(call.asking.arguments)
        call.turn.weight += added
        self._weight += added

    def answered(self, turn: Turn, iteration: Iteration, answer: Answer) -> None:
        """Remembers an answer by its id, and what it left unfinished."""
        if answer.identity is not None:
            self._answers[answer.identity] = (turn, iteration)
            turn.answers[answer.identity] = None
        for identity in answer.leaves:
            self._left[identity] = (turn, iteration)
            turn.answers[identity] = None
        self.summarised(answer, turn.session)

    def summarised(self, answer: Answer, session: str | None) -> None:
        """Remembers the summaries that an answer made of a session."""
        for key in answer.summaries if session is not None else ():
            self._summaries.pop(key, None)
            self._summaries[key] = str(session)
        while len(self._summaries) > _TURNS:
            del self._summaries[next(iter(self._summaries))]

    def unnumbered(self, turn: Turn) -> None:
        """Takes it that results of tools go back to the model without ids."""
        self._unnumbered[turn] = None

    def concluded(self, turn: Turn, answer: Answer) -> None:
        """Remembers the words that ended a turn, by which the next one of a conversation is known."""
        if answer.text is None or turn.prompt is None:
            return
        said = (turn.prompt, answer.text)
        known = self._sessions.get(said, turn.session)
        self._sessions[said] = known if known == turn.session else None  # two conversations say the same
        turn.said.append(said)

    # What is looked up.

    def session(self, asked: Asked) -> str | None:
        """Gives the session that a new turn belongs to, if it is known."""
        if asked.session is not None:
            return asked.session
        if asked.continues is not None and asked.continues in self._answers:
            return self._answers[asked.continues][0].session
        found = self._sessions.get(asked.said) if asked.said is not None else None
        return found or (self._summaries.get(asked.recalls) if asked.recalls is not None else None)

    def concerned(self, asked: Asked) -> Turn | None:
        """Gives the turn that a request repeats or goes on from, whatever it asks for."""
        if asked.continues is not None and asked.continues in self._answers:
            return self._answers[asked.continues][0]
        brought = (result.id for result in asked.brought)
        found = [
            call.turn for identity in (*brought, *asked.echoed) for call in self._calls.get(identity, ())
        ]
        return max(found, key=lambda turn: turn.touched, default=None)

    def matched(self, asked: Asked, root: str | None) -> tuple[Turn, Iteration] | None:
        """Gives the turn that a request goes on with, and the iteration that it follows."""
        if asked.about is not None:
            return self._answers.get(asked.about)
        for identity in asked.resumes:
            if identity in self._left:
                return self._left[identity]
        named = self._answers.get(asked.continues) if asked.continues is not None else None
        found = self._brought(asked, None if named is None else named[0], root)
        if found is not None:
            return found
        return named if asked.brought and not asked.is_prompted else None

    def retold(self, asked: Asked, within: object) -> Turn | None:
        """Gives the one turn whose results a request can bring in words; each time only once.

        It was opened in the same execution, all its tools have run, and the request repeats its
        prompt and says more.
        """
        if not asked.offers or asked.brought or asked.continues is not None:
            return None
        found = [
            turn
            for turn in self._unnumbered
            if turn.within is within
            and turn.has_run
            and turn.prompt is not None
            and asked.prompts[-1:] != (turn.prompt,)
            and any(one.startswith(turn.prompt) for one in asked.prompts)
        ]
        if len(found) != 1:
            return None
        self._unnumbered.pop(found[0])
        return found[0]

    def over(self, within: object) -> list[Turn]:
        """Gives the turns that are over because the execution has ended that they were opened in.

        Only those whose results go back in words: the last ones may go to nobody.
        """
        found = [turn for turn in self._unnumbered if turn.within is within and turn.has_run]
        for turn in found:
            self._unnumbered.pop(turn)
        return found

    def _brought(self, asked: Asked, turn: Turn | None, root: str | None) -> tuple[Turn, Iteration] | None:
        ids = {result.id for result in asked.brought}
        votes: dict[Turn, list[Pending]] = {}
        for identity in ids:
            echoed = asked.echoed.get(identity)
            for call in self._calls.get(identity, ()):
                told = echoed is None or (
                    echoed.name == call.asking.name and echoed.arguments == call.asking.arguments
                )
                if told and turn in (None, call.turn):
                    votes.setdefault(call.turn, []).append(call)
        if not votes:
            return None
        chosen = max(votes, key=lambda one: _likelihood(one, votes[one], asked, root))
        calls = votes[chosen]
        fresh = [call for call in calls if not call.is_returned] or calls
        return chosen, max((call.iteration for call in fresh), key=lambda iteration: iteration.number)

    def pending(
        self, name: str, arguments: Mapping[str, object], call_id: str | None, asked_by: object
    ) -> Pending | None:
        """Gives the one tool call that an execution can be; `None` when there is none, or a choice.

        Calls of one answer that ask for the very same are no choice.
        """
        if call_id is not None:
            free = [call for call in self._calls.get(call_id, ()) if call.is_free]
            if len(free) > 1:
                free = [call for call in free if fits(call.asking.arguments, arguments)]
        else:
            waiting = self._waiting.get(name, [])
            waiting[:] = [call for call in waiting if call.is_free]
            free = [call for call in waiting if fits(call.asking.arguments, arguments)]
        if asked_by is not None:
            keys = asked_by if isinstance(asked_by, tuple) else (asked_by,)
            free = [call for call in free if call.asked_by in keys]
        return free[0] if free and _are_one(free) else None

    # What is forgotten.

    def clear(self) -> None:
        """Gives up every turn."""
        for turn in list(self._turns):
            self._forget(turn)

    def _forget(self, turn: Turn) -> None:
        del self._turns[turn]
        self._unnumbered.pop(turn, None)
        self._weight -= turn.weight
        for iteration in turn.iterations:
            for call in iteration.calls.values():
                _removed(self._calls, call.asking.id, call)
                _removed(self._waiting, call.asking.name, call)
        for identity in turn.answers:
            for kept in (self._answers, self._left):
                if identity in kept and kept[identity][0] is turn:
                    del kept[identity]
        for said in turn.said:
            self._sessions.pop(said, None)
        self._forgotten(turn)


def _likelihood(turn: Turn, calls: list[Pending], asked: Asked, root: str | None) -> tuple[object, ...]:
    """Gives how well a request goes on with a turn; of equals, the one that was asked first."""
    waiting = sum(not call.is_returned for call in calls)
    prompted = turn.prompt is not None and turn.prompt in asked.prompts
    return len(calls), waiting, prompted, turn.step.place.root_span_id == root, -turn.touched


def _are_one(calls: Iterable[Pending]) -> bool:
    return len({id(call.iteration) for call in calls}) == 1


def _removed(index: dict[str, list[Pending]], key: str, call: Pending) -> None:
    held = [one for one in index.get(key, ()) if one is not call]
    if held:
        index[key] = held
    else:
        index.pop(key, None)
