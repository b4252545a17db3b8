"""Keys that are placed anywhere a key can be never appear in a span, a log line, a file, on the console or in a repr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.doors import Finished, hooked
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, openai_error

# Made up; in the program they are put together, so that no line of source in a traceback holds one.
SECRETS = {
    "header": "sk-proj-hEaDeR9gH9jK2mN5pQ8sT1vW4yZ7b",
    "url": "uRlPaSsWoRd77x",
    "query": "qUeRy3dE6gH9jK2mN5pQ8",
    "body": "sk-ant-api03-bOdY3dE6gH9jK2mN5pQ8sT1v",
    "error": "ghp_eRrOr3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fL3",
    "result": "AKIA2OGYBAH6XNPLRDT7",
    "prompt": "xoxb-2435465768-pRoMpT3dE6gH9jK2mN5p",
    "environment": "a plain-looking phrase 42",
    "braintrust": "an-account-key-for-braintrust-1",
}

PROGRAM = """
import gc, json, os, sys
import openai
S = json.loads(os.environ["CANARIES"][::-1])
def look_up(q):
    "Gives what it is asked for."
    return {"aws": S["result"], "also": "https://bob:" + S["url"] + "@example.com/?api_key=" + S["query"]}
def explode(q):
    raise RuntimeError("can't log in with " + S["error"])
TOOLS = {"look_up": look_up, "explode": explode}
offered = [{"type": "function", "function": {"name": name, "description": S["prompt"], "parameters": {}}} for name in TOOLS]
client = openai.OpenAI(
    api_key=S["header"], max_retries=0, default_headers={"X-Api-Key": S["body"]}, default_query={"api_key": S["query"]},
)
messages = [{"role": "user", "content": "keys: " + ", ".join(S[name] for name in S if name not in ("url", "query"))}]
while True:
    answer = client.chat.completions.create(
        model="m", messages=messages, tools=offered, user=S["prompt"], extra_body={"api_key": S["body"], "metadata": {"k": S["body"]}},
    ).choices[0].message
    messages.append(answer)
    if not answer.tool_calls:
        break
    for call in answer.tool_calls:
        try:
            result = json.dumps(TOOLS[call.function.name](**json.loads(call.function.arguments)))
        except RuntimeError as error:
            result = repr(error)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
try:
    client.chat.completions.create(model="m", messages=messages)
except openai.BadRequestError:
    pass
print(flush=True)
ours = [one for one in gc.get_objects() if str(type(one).__module__).split(".")[0] == "bttrace"]
told = [(type(one).__name__, repr(one)) for one in ours]
print(json.dumps(sorted({name for name, text in told if any(secret in text for secret in S.values())})), len(ours) > 100, flush=True)
"""


def ran(tmp_path: Path, variables: dict[str, str]) -> Finished:
    calls = [("call_1", "look_up", json.dumps({"q": SECRETS["body"]})), ("call_2", "explode", '{"q": "x"}')]
    with ProviderServer() as provider:
        provider.reply(
            chat(f"I use {SECRETS['header']}", calls),
            chat(f"it was {SECRETS['result']}"),
            openai_error(400, f"Incorrect API key provided: {SECRETS['header']}"),
        )
        told = {
            **provider.env(),
            "CANARIES": json.dumps(SECRETS)[::-1],
            "MY_SERVICE_TOKEN": SECRETS["environment"],
            "BTTRACE_LOG": "debug",
            "BTTRACE_SPOOL_DIR": str(tmp_path / "spool"),
            **variables,
        }
        done = hooked(PROGRAM, told, cwd=tmp_path)
        assert len(provider.requests) == 3, done.err
    assert done.code == 0, done.err
    return done


def refused(told: str, where: str) -> None:
    """Fails if there is a secret."""
    assert not [name for name, secret in SECRETS.items() if secret in told], where


@pytest.mark.parametrize("content", ["true", "false"])
def test_no_secret_is_told_anywhere(content: str, tmp_path: Path) -> None:
    with BraintrustServer(key=SECRETS["braintrust"]) as braintrust:
        told: dict[str, str] = {
            **braintrust.env(),
            "BTTRACE_EXPORTER": "braintrust,local,console",
            "BTTRACE_CAPTURE_CONTENT": content,
        }
        done = ran(tmp_path, told)
        rows: Any = braintrust.rows()
        bodies = b"".join(request.body for request in braintrust.requests).decode()
    assert len([row for row in rows if row["span_attributes"]["type"] == "llm"]) == 3
    assert json.dumps(rows).count("[secret: ") > (20 if content == "true" else 0)
    refused(json.dumps(rows) + bodies, "rows")
    refused(done.err, "console")
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    for file in files:
        refused(file.read_text(errors="replace"), str(file))
    assert done.out.split("\n")[1] == "[] True"


def test_a_key_that_is_refused_is_not_told(tmp_path: Path) -> None:
    with BraintrustServer() as braintrust:
        braintrust.fault("/v1/project", 403, times=None, body=f"not with {SECRETS['braintrust']}".encode())
        done = ran(tmp_path, braintrust.env(SECRETS["braintrust"]))
    assert "(403): not with [secret: BRAINTRUST_API_KEY]" in done.err
    refused(done.err, "log")
