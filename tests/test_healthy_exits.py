"""A short program whose Braintrust is well ends about as soon as without us."""

import statistics
from dataclasses import replace
from pathlib import Path

from tests.exits.endings import OVER, PRELUDE, endings
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat

ROUNDS = 5
MOST = 0.2  # seconds that are added from the last response to the end of the process


def test_an_exit_is_not_delayed_where_all_is_well(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    """The project, which has to be found by its name, is looked up while the model still thinks."""
    provider.reply(replace(chat("Hello"), wait=0.3))
    env = {**braintrust_api.env(), "BTTRACE_SPOOL_DIR": str(tmp_path / "spool")}
    env["BRAINTRUST_API_URL"] = ""  # the login tells it
    code = PRELUDE + "ask()\n" + OVER
    ended = endings([(code, {}), (code, env)] * ROUNDS, provider, tmp_path, at_once=1)
    added = [hooked.delay - bare.delay for bare, hooked in zip(ended[::2], ended[1::2], strict=True)]
    assert statistics.median(added) < MOST, added
    assert len(braintrust_api.rows()) == ROUNDS
    assert [one.err for one in ended if one.err] == []


def test_the_project_is_known_before_the_first_call_has_ended(
    braintrust_api: BraintrustServer, provider: ProviderServer, tmp_path: Path
) -> None:
    provider.reply(replace(chat("Hello"), wait=1.5))
    code = PRELUDE + "ask()\n" + OVER
    [ended] = endings([(code, braintrust_api.env())], provider, tmp_path)
    [asked] = provider.requests
    routes = [
        (request.method, request.route, request.at_ns - asked.at_ns) for request in braintrust_api.requests
    ]
    *looked_up, (_, insert, inserted) = routes
    assert [route for _, route, _ in looked_up] == ["/v1/project", "/v1/project"]  # found, made
    assert all(0 < after < 1.5e9 for _, _, after in looked_up), routes
    assert insert.endswith("/insert")
    assert inserted > 1.5e9
    assert ended.err == ""
