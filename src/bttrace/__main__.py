"""The `bttrace` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import __version__, check, path, run, show

_ABOUT = """\
See inside a Python LLM application without touching its code.

Runs a program so that its calls to models, through the SDKs of OpenAI, of Anthropic and of
eight others, become spans, with input, output, tokens, duration and time to first token.
Spans go to Braintrust when BRAINTRUST_API_KEY is set, to a local journal with
--exporter local. With neither, the program runs as if bttrace were not there.
"""

_EXAMPLES = """\
examples:
  bttrace run --exporter local app.py       trace app.py, keep a journal, print the tree
  bttrace run -m app --port 8000            a module instead of a file
  bttrace run gunicorn app:app              any command that starts a Python
  bttrace show                              print the newest journal again
  bttrace replay                            deliver what could not be delivered before
  bttrace check                             would spans arrive? if not, why not
  BRAINTRUST_API_KEY=... bttrace run app.py send the spans to Braintrust

without the command:
  PYTHONPATH=$(bttrace path) python app.py  trace every Python that sees this variable
  import bttrace; bttrace.enable()          trace from inside the program

The README says what each environment variable means.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; gives its exit code."""
    parser = argparse.ArgumentParser(
        prog="bttrace",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"bttrace {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    run.described(commands.add_parser("run", help="run a program under the hook"))
    show.described(commands.add_parser("show", help="print a journal as trees"))
    commands.add_parser("replay", help="deliver what was kept on disk because it could not be delivered")
    check.described(commands.add_parser("check", help="find out whether spans would arrive, and if not, why"))
    commands.add_parser("path", help="print the folder that goes on PYTHONPATH")
    words = sys.argv[1:] if arguments is None else arguments
    if not words:
        parser.print_help(sys.stderr)
        return 2
    own, program = run.divided(words[1:]) if words[:1] == ["run"] else (words[1:], [])
    options = parser.parse_args([*words[:1], *own])
    if options.command == "run":
        return run.become(options, program)
    if options.command == "check":
        check.check(options)
    if options.command == "replay":
        from . import replay  # loads delivery, for which `run` shall not wait

        return replay.replayed()
    return show.shown(options.file) if options.command == "show" else path.main()


if __name__ == "__main__":
    sys.exit(main())
