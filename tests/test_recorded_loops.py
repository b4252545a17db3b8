"""Real agents' loops that public projects recorded, replayed: the trees that follow from what ties their exchanges.

`edges` of a recording say which request brings the results that which answer asked for; the
tree is told here from them, and not from ids, texts or times.
"""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from bttrace.testing import capture
from tests.recordings import TRAFFIC, Json, recorded_server
from tests.test_recorded_traffic import replay

FILES = sorted(TRAFFIC.glob("loops/*.json"))
pytestmark = pytest.mark.skipif(not FILES, reason=f"no recorded traffic in {TRAFFIC}")
