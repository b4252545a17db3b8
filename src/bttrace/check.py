"""`python -m bttrace.check [SDK ...]`: tells whether a span of a program that is started here would arrive.

Run it in the very shell, with the very Python, in which the program is started; under `bttrace run`
(`bttrace run -m bttrace.check`) if that starts it, and with `--enable` if the program calls
`bttrace.enable()`. It starts such a Python, makes a real call of an SDK there, which a provider on
loopback answers, and waits until Braintrust confirms the span. It needs no provider's key, and
leaves nothing behind but that one trace.

The exit code is 0 if the span arrived and nothing else failed; 1 if it did not, or any of the SDKs
that are installed, or named, can't be traced; 2 for arguments that are wrong. A project that does not
exist counts as failed, though the first span would make it: the name may be mistyped.

With `--json`, one object: `ok`; `bttrace`, its version; `python`, with `version` and `executable`; `door`
(`run`, `PYTHONPATH`, `opentelemetry`, `startup`, `enable`, or null where the hook is not active); `sdks`,
versions by distribution; `trace`, null unless one was sent, with its row's `id`, `link` (null if the
organisation is not known) and the `seconds` until it was confirmed; `seconds`, in all; and
`findings`, each with what it is `about`, its `level` (`ok`, `warning`, `failed`), a `code` and a `remedy`,
which are blank where all is well, and what is `said`.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from .config import read

_INTERRUPTED = 130  # as a shell says it of Ctrl-C


def described(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Adds what `check` takes to a parser."""
    parser.description = (
        "Tells whether a span of a program that is started here would arrive, and what to do if not: "
        "makes a real call of each SDK, answered on loopback, and waits until Braintrust confirms one span."
    )
    parser.add_argument(
        "sdks", nargs="*", metavar="SDK", help="SDKs that the program uses (default: all that are installed)"
    )
    parser.add_argument("--create", action="store_true", help="make the project, if it does not exist")
    parser.add_argument("--enable", action="store_true", help="the program calls bttrace.enable() itself")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def check(options: argparse.Namespace) -> NoReturn:
    """Checks, prints, and ends the process: at once, for threads may still wait for a host."""
    began = time.monotonic()
    from .checks.course import Course
    from .checks.printed import Page
    from .checks.sdks import NAMES, SDKS

    unknown = [name for name in options.sdks if name not in NAMES]
    if unknown:
        known = ", ".join(sdk.distribution for sdk in SDKS)
        sys.stderr.write(f"bttrace check: unknown SDK {unknown[0]!r}; known: {known}\n")
        os._exit(2)
    named = list(dict.fromkeys(NAMES[name].package for name in options.sdks))
    sdks = [NAMES[name] for name in named] or [sdk for sdk in SDKS if sdk.version is not None]
    settings = read(os.environ)
    try:
        outcome = Course(settings, sdks, began, enables=options.enable, makes=options.create).run()
    except KeyboardInterrupt:
        os._exit(_INTERRUPTED)
    page = Page(outcome, settings, time.monotonic() - began)
    _print(page.json() if options.json else page.text())
    os._exit(0 if outcome.is_well else 1)


def _print(text: str) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for names of projects
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        pass


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command."""
    check(described(argparse.ArgumentParser(prog="python -m bttrace.check")).parse_args(arguments))


if __name__ == "__main__":
    main()
