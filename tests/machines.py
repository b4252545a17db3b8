"""A machine on which programs run one after the other, or at once, and share a spool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.doors import PYTHON, Finished, environment, finished, fresh_spool
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer

CALLS = """
import openai, sys
client = openai.OpenAI(max_retries=0)
for text in sys.argv[1:]:
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
"""


class Machine:
    """A machine on which programs run one after the other, with one spool, toward one Braintrust."""

    def __init__(self, server: BraintrustServer, provider: ProviderServer, folder: Path) -> None:
        self.spool = Path(fresh_spool())
        self._folder = folder
        self._variables = {
            **server.env(),
            **provider.env(),
            "BRAINTRUST_PROJECT_NAME": "P",
            "BTTRACE_SPOOL_DIR": str(self.spool),
            "BTTRACE_EXIT_TIMEOUT": "3",
        }

    def environment(self, **variables: str) -> dict[str, str]:
        return environment({**self._variables, **variables})

    def run(self, *texts: str, code: str = CALLS, **variables: str) -> Finished:
        """Runs a program that asks a model about each text."""
        command = [PYTHON, "-m", "bttrace.run", "-c", code, *texts]
        return finished(command, self.environment(**variables), self._folder)

    def replay(self, **variables: str) -> Finished:
        return finished([PYTHON, "-m", "bttrace.replay"], self.environment(**variables), self._folder)

    @property
    def files(self) -> list[Path]:
        """All that is in the spool but for locks and folders."""
        return sorted(path for path in self.spool.rglob("*") if path.is_file() and path.name != "lock")

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows in the spool, in order."""
        lines = [
            line for path in self.files if path.suffix == ".jsonl" for line in path.read_text().splitlines()
        ]
        return [row for row in map(json.loads, lines) if "bttrace_spool" not in row]


def asked(server: BraintrustServer) -> list[str]:
    """What the calls of all rows that arrived asked."""
    return [row["input"][0]["content"] for row in server.rows("P")]
