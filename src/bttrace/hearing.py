"""What the writer hears from a request about its trace, and what it says of what it can't take.

Owns that it is said, and the link from a call to where it was made. Which keys there are is not its matter.
"""

from __future__ import annotations

from dataclasses import replace

from .contracts import Opening
from .executions import Execution
from .guard import say_at_times
from .model import Facts
from .spans.style import Place
from .surroundings.correlation import Correlation, Remote
from .surroundings.trace_keys import Said, said


def heard_of(known: Opening | Facts) -> Said:
    """Gives what a request says of its trace, and warns of what it says in vain."""
    heard = said(known.request, known.session, known.endpoint.foreign)
    for name, fault in heard.faults:
        say_at_times(
            f"{name} of a request is not valid: {fault}; the call is traced without it.",
            about=f"{name} of a request is not valid",
        )
    return heard


def linked(
    correlation: Correlation, within: Execution | None, root: Place | None, place: Place, heard: Said
) -> Correlation:
    """Gives what is said of a call, with where it was made, if its request asked to be in another trace.

    `root` is that of the run, in which all is that is in nothing else.
    """
    around: Place | Remote | None = correlation.parent or root
    if within is not None and within.placed is not None:
        around = within.placed[0]
    if heard.trace is None or around is None or around.root_span_id == place.root_span_id:
        return correlation
    ids = {"root_span_id": around.root_span_id, "span_id": around.span_id}
    return replace(correlation, metadata={**correlation.metadata, "made_in": ids})
