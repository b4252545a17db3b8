"""Under gevent: our threads stay threads, so that no greenlet waits for Braintrust, and all is delivered."""

from __future__ import annotations

import importlib.util

import pytest

from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.test_processes import INSERT, asked, ran, told

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("gevent"), reason="gevent is not installed")


@pytest.mark.parametrize("moment", ["before", "before enable", "enabled enable", "imported", "called"])
def test_greenlets_are_traced_whenever_gevent_patches(
    braintrust_api: BraintrustServer, provider: ProviderServer, moment: str
) -> None:
    done = ran(braintrust_api, provider, "greenlets.py", *moment.split())
    assert done.code == 0, done.err
    assert not {"bttrace:", "Exception"} & set(done.err.split())
    assert len(asked(provider)) == 10 + (moment == "called")
    assert told(braintrust_api) == asked(provider)


@pytest.mark.parametrize("moment", ["before", "called"])
def test_no_greenlet_waits_while_braintrust_hangs(
    braintrust_api: BraintrustServer, provider: ProviderServer, moment: str
) -> None:
    braintrust_api.fault(INSERT, hang=True, times=None)
    done = ran(braintrust_api, provider, "greenlets.py", moment, "flush", patience="1")
    assert done.code == 0, done.err
    assert "spans were not delivered" in done.err


@pytest.mark.parametrize("way", ["exit", "fork"])
def test_threads_from_before_the_patch_end_in_silence(
    braintrust_api: BraintrustServer, provider: ProviderServer, way: str
) -> None:
    done = ran(braintrust_api, provider, "late.py", way)
    assert done.code == 0, done.err
    assert not {"bttrace:", "Exception"} & set(done.err.split())
    assert told(braintrust_api) == asked(provider) == ["child", "first", "second"][way == "exit" :]
