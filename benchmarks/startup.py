"""What the start of a Python process costs with the door on its path.

Owns whole processes, from `posix_spawn` to their end: wall time, and the processor time
that the kernel counted. What differs in `sys.modules` is listed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from functools import partial

from .environment import bare, hooked
from .timing import (
    Reading,
    Readings,
    Table,
    Variant,
    cpus,
    differences,
    interleaved,
    ratio_of_medians,
    spread,
    walls,
)

ROUNDS, QUICK_ROUNDS = 40, 10
SDK_ROUNDS, QUICK_SDK_ROUNDS = 20, 5  # these processes take seconds
WARM = 2
LIMIT = 120  # seconds that one process may take

_LISTED = "import sys; print(*sorted(sys.modules))"
_OURS = ("bttrace", "sitecustomize")


def run(*, quick: bool) -> None:
    """Prints the tables."""
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # posix_spawn takes no working folder, and ours may have an env file above it
        try:
            _tables(scratch, quick=quick)
        finally:
            os.chdir(home)


def _tables(scratch: str, *, quick: bool) -> None:
    plain = bare(scratch)
    no_key = hooked(scratch)
    key = hooked(scratch, BRAINTRUST_API_KEY="x")
    rounds = QUICK_ROUNDS if quick else ROUNDS
    _nothing_imported({"bare": plain, "no key": no_key, "key": key}, rounds)
    for sdk in ("openai", "anthropic"):
        _sdk_imported(sdk, plain, key, QUICK_SDK_ROUNDS if quick else SDK_ROUNDS)


def _nothing_imported(environs: Mapping[str, Mapping[str, str]], rounds: int) -> None:
    variants = {name: _variant("pass", environ) for name, environ in environs.items()}
    variants["bare again"] = _variant("pass", environs["bare"])
    readings = interleaved(variants, rounds, WARM)
    table = Table(f"startup: python -c pass, {rounds} rounds")
    base = walls(readings["bare"], 1e3)
    table.figure("bare", "ms", base)
    _compared(table, readings, "bare again", "bare, measured twice (the noise)")
    _compared(table, readings, "no key", "door, no key", 1.0)
    _compared(table, readings, "key", "door, key, no SDK imported", 5.0)
    before = _modules(environs["bare"])
    for name, allowed in (("no key", 1), ("key", None)):
        more = [module for module in _modules(environs[name]) if module not in before]
        foreign = [module for module in more if _is_foreign(module)]
        unit, figure = "modules", f"door, {name}: more in sys.modules"
        table.figure(figure, unit, [len(more)], most=None if allowed is None else allowed + 0.5)
        table.note(f"{name}, beyond the {len(before)} modules of a bare start: {' '.join(more) or 'none'}")
        if allowed is None:
            table.figure(f"door, {name}: third-party modules", unit, [len(foreign)], most=0.5)
    table.show()


def _sdk_imported(sdk: str, plain: Mapping[str, str], key: Mapping[str, str], rounds: int) -> None:
    code = f"import {sdk}"
    variants = {"bare": _variant(code, plain), "key": _variant(code, key)}
    readings = interleaved(variants, rounds, WARM)
    table = Table(f"startup: python -c 'import {sdk}', {rounds} rounds")
    table.figure("bare", "ms", walls(readings["bare"], 1e3))
    _compared(table, readings, "key", "door, key")
    table.ratio("door, key: wall", walls(readings["key"]), walls(readings["bare"]), 1.15)
    table.ratio("door, key: processor", cpus(readings["key"]), cpus(readings["bare"]))
    before = _modules(plain, code)
    more = [module for module in _modules(key, code) if module not in before]
    packages = Counter(module.partition(".")[0] for module in more)
    listed = ", ".join(f"{package} {count}" for package, count in packages.items())
    table.note(f"modules beyond the {len(before)} of {code}: {listed}")
    table.show()


def _compared(table: Table, readings: Readings, name: str, title: str, most: float | None = None) -> None:
    """Adds a variant, the median of what each round added, and the difference of the medians."""
    values, base = walls(readings[name], 1e3), walls(readings["bare"], 1e3)
    table.figure(title, "ms", values, ratio=ratio_of_medians(values, base))
    table.figure("    added, by rounds", "ms", differences(values, base), most=most)
    table.figure("    added, of the medians", "ms", [spread(values)[1] - spread(base)[1]], most=most)
    busy = differences(cpus(readings[name], 1e3), cpus(readings["bare"], 1e3))
    table.figure("    added processor time, by rounds", "ms", busy)


def _variant(code: str, environ: Mapping[str, str]) -> Variant:
    return partial(_process, [sys.executable, "-c", code], dict(environ))


def _process(command: list[str], environ: Mapping[str, str]) -> Reading:
    """Runs a process to its end; ends it after `LIMIT` seconds, which raises `RuntimeError`."""
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    started = time.perf_counter_ns()
    pid = os.posix_spawn(command[0], command, environ, file_actions=silent)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
    signal.alarm(LIMIT)
    _, status, usage = os.wait4(pid, 0)
    took = time.perf_counter_ns() - started
    signal.alarm(0)
    if status:
        raise RuntimeError(f"{command!r} ended with {os.waitstatus_to_exitcode(status)}")
    return Reading(took / 1e9, usage.ru_utime + usage.ru_stime)


def _modules(environ: Mapping[str, str], code: str = "pass") -> list[str]:
    command = [sys.executable, "-c", f"{code}; {_LISTED}"]
    done = subprocess.run(
        command, env=dict(environ), check=True, capture_output=True, text=True, timeout=LIMIT
    )
    return done.stdout.split()


def _is_foreign(module: str) -> bool:
    """Tells whether a module is neither ours nor Python's own."""
    top = module.partition(".")[0]
    return top not in _OURS and top not in sys.stdlib_module_names
