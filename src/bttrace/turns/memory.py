"""What is remembered of turns, so that a request finds its own. PURE.

Owns the ways to a turn: by the id of a tool call, of a response, of what was left unfinished, and
how much of all that is kept. Which of the turns that an id leads to is meant is told by `matching`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..evidence import Answer, Asked, Asking, weight
from ..fitting import fits
from .iterations import Iteration, Pending, Turn
from .matching import Calls, Match, chosen, paired

_TURNS = 1000  # that are remembered
_WEIGHT = 64 * 2**20  # bytes, about, of what they hold
_IDLE = 3600.0  # seconds after which nothing more is expected of a turn
_ITERATION = 4000  # bytes, about, of an iteration
_CALL = 1500  # bytes, about, of a tool call and its step

_Answered = tuple[Turn, Iteration, object]
"""A turn, an iteration, and the key of the call that was answered."""


class Memory:
    """The latest turns. `forgotten` is called with each turn that is given up."""

    def __init__(self, forgotten: Callable[[Turn], None]) -> None:
        self._forgotten = forgotten
        self._turns: dict[Turn, None] = {}
        self._weight = 0
        self._calls: dict[str, Calls] = {}
        self._waiting: dict[str, Calls] = {}
        self._answers: dict[str, _Answered] = {}
        self._left: dict[str, _Answered] = {}
        self._sessions: dict[tuple[str, str], tuple[str | None, Turn]] = {}
        self._unnumbered: dict[Turn, None] = {}
        self._summaries: dict[str, str] = {}

    # What is known.

    def __contains__(self, turn: Turn) -> bool:
        return turn in self._turns

    def opened(self, turn: Turn) -> None:
        """Remembers a new turn."""
        self._turns[turn] = None
        self._weight += turn.weight

    def touched(self, turn: Turn, at: float) -> None:
        """Notes that something came of a turn; gives up the turns of which nothing came longest."""
        turn.touch(at)
        if turn in self._turns:
            self._turns[turn] = self._turns.pop(turn)
        while len(self._turns) > 1:
            oldest = next(iter(self._turns))
            full = len(self._turns) > _TURNS or self._weight > _WEIGHT
            if not full and oldest.touched + _IDLE > at:
                break
            self._forget(oldest)

    def iterated(self, turn: Turn) -> None:
        """Notes that a turn has one more iteration."""
        self._add(turn, _ITERATION)

    def asked(self, call: Pending, asking: Asking) -> None:
        """Remembers a tool call that an answer asked for; again, when more of it has come."""
        if call.turn not in self._turns:
            call.asking = asking
            return
        if call.weight and call.asking.name != asking.name:
            _removed(self._waiting, call.asking.name, call)
        call.asking = asking
        self._calls.setdefault(asking.id, {})[call] = None
        if call.is_free:
            self._waiting.setdefault(asking.name, {})[call] = None
        weighed = _CALL + weight(asking.arguments)
        self._add(call.turn, weighed - call.weight)
        call.weight = weighed

    def answered(self, turn: Turn, iteration: Iteration, key: object, answer: Answer) -> None:
        """Remembers an answer by its id, and what it left unfinished."""
        if turn not in self._turns:
            return
        if answer.identity:
            self._answers[answer.identity] = (turn, iteration, key)
            turn.answers[answer.identity] = None
        for identity in answer.leaves:
            self._left[identity] = (turn, iteration, key)
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
        if turn in self._turns:
            self._unnumbered[turn] = None

    def concluded(self, turn: Turn, answer: Answer) -> None:
        """Remembers the words that ended a turn, by which the next one of a conversation is known."""
        prompt = turn.iterations[-1].prompt or turn.prompt
        if answer.text is None or prompt is None or turn not in self._turns:
            return
        said = (prompt, answer.text)
        known, _ = self._sessions.get(said, (turn.session, turn))
        self._sessions[said] = (known if known == turn.session else None, turn)  # two may say the same
        if said not in turn.said:
            turn.said[said] = None
            self._add(turn, weight(answer.text))

    def _add(self, turn: Turn, more: int) -> None:
        if turn in self._turns:
            turn.weight += more
            self._weight += more

    # What is looked up.

    def session(self, asked: Asked) -> str | None:
        """Gives the session that a new turn belongs to, if it is known."""
        if asked.session is not None:
            return asked.session
        if asked.continues is not None and asked.continues in self._answers:
            return self._answers[asked.continues][0].session
        told = {call.turn.session for identity in asked.concerns for call in self._calls.get(identity, ())}
        if len(told) == 1:
            return told.pop()
        found = self._sessions[asked.said][0] if asked.said in self._sessions else None
        return found or (self._summaries.get(asked.recalls) if asked.recalls is not None else None)

    def concerned(self, asked: Asked) -> Turn | None:
        """Gives the turn that a request repeats or goes on from, whatever it asks for."""
        if asked.continues is not None and asked.continues in self._answers:
            return self._answers[asked.continues][0]
        found = [call.turn for identity in asked.concerns for call in self._calls.get(identity, ())]
        return max(found, key=lambda turn: turn.touched, default=None)

    def matched(self, asked: Asked, root: str | None) -> Match | None:
        """Gives the turn that a request goes on with, and the iteration that it follows."""
        if asked.about is not None:
            return _known(self._answers, asked.about)
        for identity in asked.resumes:
            if identity in self._left:
                return _known(self._left, identity)
        if not asked.brought:
            return None
        named = None if asked.continues is None else _known(self._answers, asked.continues)
        found = chosen(asked, self._calls, None if named is None else named.turn, root)
        if found is None:
            return None if asked.is_prompted else named
        pairs = paired(found, asked, self._calls, named)
        last = max((call.iteration for _, call in pairs), key=lambda iteration: iteration.number)
        match = Match(found, last if named is None else named.iteration, pairs)
        return None if asked.is_prompted and not match.is_awaited(asked) else match

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

    def pending(
        self, name: str, arguments: Mapping[str, object], call_id: str | None, asked_by: tuple[object, ...]
    ) -> Pending | None:
        """Gives the one tool call that an execution can be; `None` when there is none, or a choice.

        Calls of one iteration that ask for the very same are no choice.
        """
        if call_id is not None:
            free = [call for call in self._calls.get(call_id, ()) if call.is_free]
            fitting = [call for call in free if fits(call.asking.arguments, arguments)]
            # Ids may come again in other turns: the name or the arguments must be right as well.
            free = [call for call in fitting if not _is_empty(call)] or [
                call for call in free if call.asking.name == name
            ]
        else:
            waiting = self._waiting.get(name, {})
            for call in [call for call in waiting if not call.is_free]:
                del waiting[call]
            free = [
                call for call in waiting if not _is_empty(call) and fits(call.asking.arguments, arguments)
            ]
        if asked_by:
            free = [call for call in free if call.asked_by in asked_by]
        free = [call for call in free if call.turn.step.ended is None] or free
        return free[0] if len({id(call.iteration) for call in free}) == 1 else None

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
            if said in self._sessions and self._sessions[said][1] is turn:
                del self._sessions[said]
        self._forgotten(turn)


def _is_empty(call: Pending) -> bool:
    """Tells whether no arguments of a call have come yet, which would fit any."""
    return call.is_coming and not call.asking.arguments


def _known(index: Mapping[str, _Answered], identity: str) -> Match | None:
    if identity not in index:
        return None
    turn, iteration, key = index[identity]
    return Match(turn, iteration, asked_by=key)


def _removed(index: dict[str, Calls], key: str, call: Pending) -> None:
    held = index.get(key)
    if held is not None:
        held.pop(call, None)
        if not held:
            del index[key]
