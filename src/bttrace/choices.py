"""What the settings choose: the sinks, what spans pass on their way there, and what they look like.

Owns that nothing is loaded which was not chosen.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import __version__
from .config import Config, nearest_env_file
from .contracts import Screen, Sink
from .environment import environment
from .guard import guarded
from .model import Json
from .spans.style import Price, Style

if TYPE_CHECKING:
    from .screens.sampling import Sampling
    from .sinks.local import JournalSink
    from .sinks.nesting import Nesting

_MOST_TREES = 20  # that are printed when a program run by `bttrace run` ends


def style(settings: Config, sinks: Sequence[Sink]) -> Style:
    """Gives what spans look like."""
    where = _where(settings)
    return Style(settings.span_names, settings.capture_content, __version__, where, _price(settings, sinks))


def _where(settings: Config) -> Json | None:
    """Gives where this process runs, as the settings say it, then `.env.braintrust`, then the platform."""
    kind, name = settings.environment_type, settings.environment_name
    if not kind and not name and (path := nearest_env_file()):
        from .env_file import variables

        told, _ = variables(path)  # what is wrong with it was said where the key was looked for
        kind, name = told.get("BRAINTRUST_ENVIRONMENT_TYPE"), told.get("BRAINTRUST_ENVIRONMENT_NAME")
    return environment(os.environ, kind, name)


def screens(settings: Config, sampling: Sampling | None) -> list[Screen]:
    """Gives what every span passes before it goes anywhere, in order."""
    from .screens.privacy import Privacy

    privacy = Privacy(settings)
    return [privacy] if sampling is None else [sampling, privacy]


def sampling(settings: Config) -> Sampling | None:
    """Gives what leaves traces out, unless all are kept."""
    if settings.sample_rate >= 1:
        return None
    from .screens.sampling import Sampling

    return Sampling(settings.sample_rate)


def sinks(settings: Config) -> list[Sink]:
    """Gives the sinks of the chosen exporters, in order."""
    chosen: list[Sink] = []
    for exporter in settings.exporters:
        if exporter == "local":
            from .sinks.local import JournalSink

            chosen.append(JournalSink(settings.journal_dir))
        elif exporter == "console":
            from .sinks.console import ConsoleSink

            chosen.append(ConsoleSink())
        elif exporter == "braintrust":
            from .sinks.braintrust import BraintrustSink

            chosen.append(BraintrustSink(settings))
    return chosen


def _price(settings: Config, sinks: Sequence[Sink]) -> Price | None:
    """Gives what puts prices on calls, unless all is told to Braintrust alone, which does so itself."""
    if not settings.prices or all(sink.name == "braintrust" for sink in sinks):
        return None
    from .prices import Prices

    return Prices().cost


def nesting(settings: Config, sinks: Sequence[Sink], sampling: Sampling | None) -> Nesting | None:
    """Gives what lets the application's spans hang in ours, if these go to Braintrust."""
    from .sinks.braintrust import BraintrustSink
    from .sinks.nesting import Nesting

    home = next((sink for sink in sinks if isinstance(sink, BraintrustSink)), None)
    is_left_out = None if sampling is None else sampling.is_left_out
    return None if home is None else Nesting(home, settings.api_key, is_left_out)


def show_at_exit(sinks: Sequence[Sink]) -> None:
    """Has the trees of this process printed when it ends, if there is a journal of them."""
    from .sinks.local import JournalSink

    for sink in sinks:
        if isinstance(sink, JournalSink):
            atexit.register(guarded(_show), sink)


def _show(sink: JournalSink) -> None:
    """Prints the trees of this process."""
    from .journal import printed, rows

    out = sys.stderr
    if sink.path is None or out is None:
        return
    trees = "\n".join(printed(rows(sink.path)[0], out, most=_MOST_TREES))
    out.write(f"\n{trees}\n\nkept in {os.path.relpath(sink.path)}; to see it again: bttrace show\n")
