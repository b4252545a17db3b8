"""What the end of a short program costs: from the response to its only call, to the end of its process.

Owns whole processes that make one call and end, bare and with the door, a key and a Braintrust that
is well: on loopback, where the project has to be found by its name and takes the row. The provider
takes its time, as models do, in half of the rounds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial

from .environment import bare, hooked, program
from .timing import Reading, Table, Variant, differences, interleaved, walls

ROUNDS, QUICK_ROUNDS = 20, 5
LIMIT = 60  # seconds that one process may take
MOST = 200.0  # milliseconds that may be added
THINKING = 500  # milliseconds that a provider takes

_CODE = """
import openai, sys, time
client = openai.OpenAI()
client.chat.completions.create(model=sys.argv[1], messages=[{"role": "user", "content": "hello"}])
print(time.monotonic(), flush=True)
"""


def run(*, quick: bool) -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as scratch:
        plain = bare(scratch)
        with program("server.py", environ=plain, cwd=scratch) as server:
            url = f"http://127.0.0.1:{server.line()}"
            asks = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{url}/v1"}
            sends = {
                "BRAINTRUST_API_KEY": "k",
                "BRAINTRUST_API_URL": url,
                "BRAINTRUST_APP_URL": url,
                "BTTRACE_SPOOL_DIR": os.path.join(scratch, "spool"),
            }
            _table(plain | asks, hooked(scratch, **asks, **sends), scratch, quick=quick)


def _table(plain: Mapping[str, str], key: Mapping[str, str], cwd: str, *, quick: bool) -> None:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    table = Table(f"exit: one call and no more, with a healthy Braintrust, {rounds} rounds")
    for model, told in (("bench-0", "at once"), (f"bench-0-after-{THINKING}", f"after {THINKING} ms")):
        variants = {"bare": _variant(model, plain, cwd), "key": _variant(model, key, cwd)}
        readings = interleaved(variants, rounds, warm=2)
        base, values = walls(readings["bare"], 1e3), walls(readings["key"], 1e3)
        table.figure(f"bare, answered {told}", "ms", base)
        table.figure("door, key", "ms", values)
        table.figure("    added, by rounds", "ms", differences(values, base), most=MOST)
    table.show()


def _variant(model: str, environ: Mapping[str, str], cwd: str) -> Variant:
    return partial(_ended, [sys.executable, "-c", _CODE, model], environ, cwd)


def _ended(command: list[str], environ: Mapping[str, str], cwd: str) -> Reading:
    """Gives how long a program took to end after its call."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, cwd=cwd, text=True) as process:
        asked = process.communicate(timeout=LIMIT)[0]
        ended = time.monotonic()
    if process.returncode:
        raise RuntimeError(f"{command!r} ended with {process.returncode}")
    return Reading(ended - float(asked), 0.0)
