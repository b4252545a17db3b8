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
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from .config import RUN_VARIABLE, RUN_WORKFLOW_VARIABLE, read
from .env_file import variables
from .guard import say
from .interpreter import BLINDING, interpreter_flags
from .path import folder

_NOT_FOUND = 127  # as the shell has it
_NOT_EXECUTABLE = 126
_VALUED = ("--project", "--exporter", "--env-file")
_RUNS = ("-m", "-c")  # what Python itself runs without a file
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFZ", "SIGXFSZ")


def described(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Adds what `run` takes to a parser, but for the program."""
    parser.usage = f"{parser.prog} [options] (PROGRAM.py | -m MODULE | -c CODE | COMMAND) [ARGUMENT ...]"
    parser.allow_abbrev = False
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
    parser.add_argument(
        "--workflow",
        nargs="?",
        const="",
        metavar="NAME",
        help="make the run the root of all that it does; --workflow=NAME names it, else the program does",
    )
    return parser


def divided(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Divides a command line into our options and the program with its arguments.

    argparse can't: it would take some of the program's own words, such as `--` or `-mjson`.
    """
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--":
            return words[:position], words[position + 1 :]
        if word == "-" or not word.startswith("-") or word.startswith(_RUNS):
            break
        position += 2 if word in _VALUED else 1
    return words[:position], words[position:]


def become(options: argparse.Namespace, program: Sequence[str]) -> int:
    """Replaces this process by the program; returns an exit code only when it can't."""
    if not program:
        say("nothing to run: give a program, such as: bttrace run app.py")
        return 2
    environment = _environment(options)
    environment.update(_workflow(options, program))
    if program[0].startswith(_RUNS) or _is_python(program[0]):
        _warn_of_blindness(environment)
        return _replace(sys.executable, [sys.executable, *interpreter_flags(), *program], environment)
    executable = shutil.which(program[0])
    if executable is not None:
        return _replace(executable, program, environment)
    beside = shutil.which(program[0], path=os.path.dirname(sys.executable))  # venv/bin, not on PATH
    if beside is not None:
        return _replace(beside, [beside, *program[1:]], environment)
    hint = " A workflow is named so: --workflow=NAME." if options.workflow == "" else ""
    say(f"can't run {program[0]!r}: no such file, and no such command on PATH. Check the name.{hint}")
    return _NOT_FOUND


def _replace(executable: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
    try:
        if os.name == "nt":  # where exec would return to the shell before the program ends
            return subprocess.run(command, executable=executable, env=environment, check=False).returncode
        _exec(executable, command, environment)
    except OSError as fault:
        say(f"can't run {executable!r} ({fault.strerror}). Check the name and its permissions.")
        return _NOT_EXECUTABLE


def _exec(executable: str, command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    for name in _IGNORED_BY_PYTHON:  # and so they would be by the program, which may be `sh`
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.execve(executable, list(command), {**environment, RUN_VARIABLE: str(os.getpid())})


def _is_python(program: str) -> bool:
    """Tells whether a program is for Python to run, rather than an executable of its own."""
    if program == "-" or os.path.isfile(os.path.join(program, "__main__.py")):
        return True
    if program.endswith((".py", ".pyw", ".pyz")):  # a missing one too: Python knows what to say
        return os.path.exists(program) or shutil.which(program) is None
    return os.path.exists(program) and shutil.which(program) is None


def _environment(options: argparse.Namespace) -> dict[str, str]:
    environment = dict(os.environ)
    if options.env_file:
        found, problem = variables(options.env_file)
        if problem:
            say(problem)
        for name, value in found.items():
            environment.setdefault(name, value)
    if options.project:
        environment["BRAINTRUST_PROJECT_NAME"] = options.project
        environment.pop("BRAINTRUST_PROJECT_ID", None)
    if options.exporter:
        environment["BTTRACE_EXPORTER"] = options.exporter
    if options.no_content:
        environment["BTTRACE_CAPTURE_CONTENT"] = "false"
    path = environment.get("PYTHONPATH", "")  # kept as it is: an empty entry is the working folder
    if folder() not in path.split(os.pathsep):
        environment["PYTHONPATH"] = folder() + (os.pathsep + path if path else "")
    return environment


def _workflow(options: argparse.Namespace, program: Sequence[str]) -> dict[str, str]:
    """Gives the variable that says what the run is called as a workflow; blank when it is none."""
    if options.workflow is None:
        return {RUN_WORKFLOW_VARIABLE: ""} if RUN_WORKFLOW_VARIABLE in os.environ else {}
    first, second = (*program, "")[:2]
    if first.startswith("-m"):
        name = first.removeprefix("-m") or second
    elif first.startswith("-"):  # code, of the command line or of standard input
        name = "python"
    else:
        name = os.path.split(os.path.abspath(first))[1].removesuffix(".py")
    return {RUN_WORKFLOW_VARIABLE: options.workflow.strip() or name}


def _warn_of_blindness(environment: Mapping[str, str]) -> None:
    blinding = [flag for name, flag in BLINDING.items() if getattr(sys.flags, name)]
    if blinding and read(environment).exporters:
        say(
            f"Python runs with {' '.join(blinding)}, which keeps the hook out of the program: "
            "it runs untraced. Leave the flag out, or call bttrace.enable() in the program."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command."""
    about = (__doc__ or "").partition("\n\n")[0]
    parser = described(argparse.ArgumentParser(prog="python -m bttrace.run", description=about))
    own, program = divided(sys.argv[1:] if arguments is None else arguments)
    return become(parser.parse_args(own), program)


if __name__ == "__main__":
    sys.exit(main())
