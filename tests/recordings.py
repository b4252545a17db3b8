"""Real exchanges that public projects recorded, where they are at hand, and the server that replays them.

They are not part of this project: they are looked for beside it, in `../shared/traffic`, or where `BTTRACE_TRAFFIC` points.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]


TRAFFIC = Path(os.environ.get("BTTRACE_TRAFFIC") or Path(__file__).parents[2] / "shared" / "traffic")


@contextmanager
def recorded_server() -> Iterator[str]:
    """Serves the recordings; gives the server's address."""
    command = [sys.executable, str(TRAFFIC / "replay.py"), "--data", str(TRAFFIC), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[1]
        finally:
            process.terminate()


def events(body: str) -> list[Json]:
    """Gives the data of every event, but for the mark of the end."""
    found = []
    for block in body.replace("\r\n", "\n").split("\n\n"):
        data = "\n".join(line[5:].lstrip(" ") for line in block.split("\n") if line.startswith("data:"))
        if data and data != "[DONE]":
            found.append(json.loads(data))
    return found
