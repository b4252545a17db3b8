"""The doors, the ways to Braintrust, and `disable()`, whatever the versions."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import bttrace
from tests.compatibility.apis import APIS, CHAT, MESSAGES, Api, skip_below_whole
from tests.doors import FOLDER, LOCAL, PYTHON, RUN, environment, finished, journal_rows
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer

each_sdk = pytest.mark.parametrize("api", [CHAT, MESSAGES], ids=lambda api: api.sdk)

PROGRAM = """
import importlib, json, os, sys
sdk, client, resource, given = json.loads(sys.argv[1])
module = importlib.import_module(sdk)
client = getattr(module, client)(max_retries=0, base_url=os.environ[sdk.upper() + '_BASE_URL'])
for name in resource.split("."):
    client = getattr(client, name)
answer = client.create(**given)
chunks = client.create(**given, stream=True)
print(type(answer), type(chunks), len(list(chunks)))
try:
    client.create(**{**given, "model": "none"})
except module.BadRequestError as error:
    print(type(error), error)
sys.exit(3)
"""

INSIDE = """
import braintrust
logger = braintrust.init_logger(project="Theirs")
logger.id  # looked up now: braintrust 0.47 does it at the exit otherwise, and hangs there on Python 3.12
def ask():
    list(client.create(**given, stream=True))
with logger.start_span(name="outer") as outer:
    with outer.start_span(name="inner"):
        ask()
ask()
"""


def answered(api: Api, provider: ProviderServer) -> list[str]:
    """Scripts the provider; gives the program's argument."""
    provider.reply(
        lambda request: (
            api.error(400, "No such model.")
            if request.json["model"] == "none"
            else api.streamed()
            if request.json.get("stream")
            else api.whole()
        )
    )
    return [json.dumps([api.sdk, api.clients[0], api.resource, api.given])]


@each_sdk
@pytest.mark.parametrize("door", ["run", "sitecustomize"])
def test_a_program_is_the_same_through_a_door(
    api: Api, door: str, provider: ProviderServer, tmp_path: Path
) -> None:
    skip_below_whole(api)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    argument = answered(api, provider)
    bare = finished([PYTHON, program, *argument], environment(provider.env()), tmp_path)
    assert bare.code == 3, bare.err

    own = {**LOCAL, **provider.env(), "BTTRACE_JOURNAL_DIR": str(tmp_path / "journal")}
    if door == "run":
        hooked = finished([*RUN, program, *argument], environment(own), tmp_path)
    else:
        hooked = finished([PYTHON, program, *argument], environment(own, FOLDER), tmp_path)
    assert (hooked.code, hooked.out, hooked.said) == (bare.code, bare.out, [])
    if door == "sitecustomize":  # the launcher prints what it traced
        assert hooked.err == bare.err
    rows = journal_rows(tmp_path / "journal")
    assert [("output" in row, "error" in row) for row in rows] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    assert {row["context"]["caller_filename"] for row in rows} == {str(program)}


@each_sdk
def test_a_row_reaches_braintrust_by_our_own_delivery(api: Api, provider: ProviderServer) -> None:
    skip_below_whole(api)
    answered(api, provider)
    with BraintrustServer() as server:
        bttrace.enable(api_key=server.key, api_url=server.url, app_url=server.url, project="Ours")
        with api.client(provider) as client:
            api.on(client).create(**api.given)
        assert bttrace.flush()
        [row] = server.rows("Ours")
    assert row["span_attributes"]["type"] == "llm"
    assert row["metrics"]["completion_tokens"] == 7


@each_sdk
def test_a_call_inside_the_applications_own_span_becomes_its_child(
    api: Api, provider: ProviderServer, tmp_path: Path
) -> None:
    skip_below_whole(api)
    if importlib.util.find_spec("braintrust") is None:
        pytest.skip("braintrust is not installed")
    argument = answered(api, provider)
    code = PROGRAM.partition("answer = ")[0] + INSIDE
    with BraintrustServer() as server:
        own = {**server.env(), **provider.env(), "BRAINTRUST_PROJECT_NAME": "Ours"}
        done = finished([*RUN, "-c", code, *argument], environment(own), tmp_path)
        theirs = {row["span_attributes"]["name"]: row for row in server.rows("Theirs")}
        [ours] = server.rows("Ours")
    assert (done.code, done.out, done.said) == (0, "", [])
    inner = theirs.pop("inner")
    del theirs["outer"]
    [(name, child)] = theirs.items()
    assert child["span_parents"] == [inner["span_id"]]
    assert child["root_span_id"] == inner["root_span_id"]
    assert inner["metrics"]["start"] <= child["metrics"]["start"] <= child["metrics"]["end"]
    for told in ("input", "output", "metadata"):
        assert child[told] == ours[told]
    assert child["metrics"]["completion_tokens"] == ours["metrics"]["completion_tokens"] == 7
    assert ours["span_attributes"] == {"name": name, "type": "llm"}
    assert child["span_attributes"]["type"] == "llm"


def classes() -> dict[str, list[tuple[str, int]]]:
    """What the classes of the SDKs consist of. Asks none what it is, for that would load the SDKs' lazy ones."""
    sdks = {api.sdk for api in APIS}
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] in sdks]
    values = [value for module in modules for value in list(vars(module).values())]
    kinds: list[Any] = [value for value in values if issubclass(type(value), type)]
    return {
        f"{cls.__module__}.{cls.__qualname__}": [(name, id(value)) for name, value in vars(cls).items()]
        for cls in kinds
        if str(cls.__module__).split(".")[0] in sdks
    }


@each_sdk
def test_disable_puts_everything_back(api: Api, provider: ProviderServer, tmp_path: Path) -> None:
    answered(api, provider)
    with api.client(provider) as client:
        api.on(client).create(**api.given)  # what the SDK makes at its first use is there now
        list(api.on(client).create(**api.given, stream=True))
        before, finders = classes(), [*sys.meta_path]
        bttrace.enable(exporter="local", journal_dir=str(tmp_path))
        patched = classes()
        api.on(client).create(**api.given)
        bttrace.disable()
        assert (classes(), sys.meta_path) == (before, finders)
        api.on(client).create(**api.given)
    assert sum(patched[name] != before[name] for name in before) >= 3
    assert len(journal_rows(tmp_path)) == 1
