"""`python -m bttrace.run [options] app.py args...`: runs a program under the hook.

Sets the environment that the `sitecustomize` door reads, and then *becomes* the program:
the process is replaced by `python app.py args...`, or by any other executable. So
`sys.argv`, `sys.path[0]`, `__main__`, standard input, signals, tracebacks and the exit
code are plain Python's own, and child processes are traced too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from .config import env_file
from .guard import say
from .path import folder

RUN_VARIABLE = "BTTRACE_RUN_PID"
_NOT_FOUND = 127  # as the shell has it
_OWN_NAMES = ("bttrace.run", "bttrace")
_BLINDING = {"isolated": "-I", "ignore_environment": "-E", "no_site": "-S"}


def described(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Adds what `run` takes to a parser."""
    parser.usage = f"{parser.prog} [options] (PROGRAM.py | -m MODULE | -c CODE | COMMAND) [ARGUMENT ...]"
    parser.add_argument("--project", metavar="NAME", help="the Braintrust project that spans go to")
    parser.add_argument(
        "--exporter", metavar="NAMES", help="braintrust, local, console or none; several with commas"
    )
    parser.add_argument(
        "--env-file", metavar="FILE", help="a file of NAME=value lines to add to the environment"
    )
    parser.add_argument(
        "--no-content", action="store_true", help="leave out messages, outputs and tool arguments"
    )
    parser.add_argument("-m", dest="module", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("-c", dest="code", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "program", nargs=argparse.REMAINDER, help="the program and its arguments, as Python takes them"
    )
    return parser


def become(options: argparse.Namespace) -> int:
    """Replaces this process by the program; returns an exit code only when it can't."""
    program: list[str] = options.program
    if not program:
        say("nothing to run: give a program, such as: bttrace run app.py")
        return 2
    environment = _environment(options)
    flags = _interpreter_flags()
    if options.module or options.code:
        command = [sys.executable, *flags, "-m" if options.module else "-c", *program]
    elif _is_python(program[0]):
        command = [sys.executable, *flags, *program]
    else:
        executable = shutil.which(program[0])
        if executable is None:
            say(f"can't run {program[0]!r}: no such file, and no such command on PATH. Check the name.")
            return _NOT_FOUND
        command = [executable, *program[1:]]
    return _replace(command, environment)


def _replace(command: Sequence[str], environment: Mapping[str, str]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":  # where exec would return to the shell before the program ends
        return subprocess.run(command, env=environment, check=False).returncode
    try:
        _exec(command, environment)
    except OSError as fault:
        say(f"can't run {command[0]!r} ({fault.strerror}). Check the name and its permissions.")
        return 126


def _exec(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    os.execve(command[0], list(command), {**environment, RUN_VARIABLE: str(os.getpid())})


def _is_python(program: str) -> bool:
    """Tells whether a program is for Python to run, rather than an executable of its own."""
    if program == "-" or program.endswith((".py", ".pyw", ".pyz")):
        return True
    if os.path.isdir(program):
        return os.path.exists(os.path.join(program, "__main__.py"))
    return os.path.isfile(program) and not os.access(program, os.X_OK) and shutil.which(program) is None


def _environment(options: argparse.Namespace) -> dict[str, str]:
    environment = dict(os.environ)
    if options.env_file:
        variables, problem = env_file(options.env_file)
        if problem:
            say(problem)
        for name, value in variables.items():
            environment.setdefault(name, value)
    if options.project:
        environment["BRAINTRUST_PROJECT_NAME"] = options.project
        environment.pop("BRAINTRUST_PROJECT_ID", None)
    if options.exporter:
        environment["BTTRACE_EXPORTER"] = options.exporter
    if options.no_content:
        environment["BTTRACE_CAPTURE_CONTENT"] = "false"
    path = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if folder() not in path:
        environment["PYTHONPATH"] = os.pathsep.join([folder(), *path])
    return environment


def _interpreter_flags() -> list[str]:
    """Gives the flags that Python itself was given, to be given to the program's Python."""
    blinding = [flag for name, flag in _BLINDING.items() if getattr(sys.flags, name)]
    if blinding:
        say(
            f"Python runs with {' '.join(blinding)}, which keeps the hook out of the program: it runs untraced. "
            "Leave the flag out, or call bttrace.enable() in the program."
        )
    flags: list[str] = []
    given = sys.orig_argv[1:]
    for position, word in enumerate(given):
        takes_value = bool(flags) and flags[-1] in ("-X", "-W", "--check-hash-based-pycs")
        if not takes_value and (
            not word.startswith("-") or (word == "-m" and given[position + 1] in _OWN_NAMES)
        ):
            break
        flags.append(word)
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command."""
    about = (__doc__ or "").partition("\n\n")[0]
    parser = described(argparse.ArgumentParser(prog="python -m bttrace.run", description=about))
    return become(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
