"""Connections in programs of their own: under the application's own spans, at exit, and across a fork."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.dialogues import QUESTION, answering, text_answer
from tests.doors import hooked, journal_rows
from tests.loopback.braintrust import BraintrustServer
from tests.loopback.websocket import WebsocketServer

BEGIN = """
import gc, openai, os
client = openai.OpenAI(base_url=os.environ["SERVER"], api_key="k")
def read(connection, last):
    for event in connection:
        if event.type == last:
            return
"""
INSIDE = (
    BEGIN
    + """
import braintrust
logger = braintrust.init_logger(project="Theirs")
logger.id  # looked up now: braintrust 0.47 does it at the exit otherwise, and hangs there on Python 3.12
with client.realtime.connect(model="gpt-realtime") as connection:
    with logger.start_span(name="outer"):
        connection.response.create()
    read(connection, "response.done")
    connection.response.create()
    with logger.start_span(name="reading"):
        read(connection, "response.done")
"""
)
LEFT = (
    BEGIN
    + """
connection = client.realtime.connect(model="gpt-realtime").enter()
connection.response.create()
read(connection, "response.output_text.delta")
"""
)
FORKED = (
    LEFT
    + """
child = os.fork()
if child == 0:
    del connection
    gc.collect()
    raise SystemExit(0)
os.waitpid(child, 0)
read(connection, "response.done")
connection.close()
"""
)
ANSWER = text_answer("resp_1", "Hel", "lo.")


def local(journals: Path, server: WebsocketServer) -> dict[str, str]:
    return {"BTTRACE_EXPORTER": "local", "BTTRACE_JOURNAL_DIR": str(journals), "SERVER": server.url}


def test_a_response_belongs_to_the_span_in_which_it_was_asked_for(tmp_path: Path) -> None:
    with (
        BraintrustServer() as api,
        WebsocketServer(answering(ANSWER, text_answer("resp_2", "Bye."))) as server,
    ):
        variables = {"SERVER": server.url, "BRAINTRUST_PROJECT_NAME": "Ours"}
        done = hooked(INSIDE, api.env(), variables, cwd=tmp_path)
        assert (done.code, done.err) == (0, "")
        theirs = {row["span_attributes"]["name"]: row for row in api.rows("Theirs")}
        child = theirs["llm.generation (gpt-realtime-2025-08-28)"]
        assert child["span_parents"] == [theirs["outer"]["span_id"]]
        assert (child["metadata"]["response_id"], child["input"][1]) == ("resp_1", QUESTION)
        (ours,) = api.rows("Ours")
        assert ours["metadata"]["response_id"] == "resp_2"


def rows_of(program: str, answer: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    with WebsocketServer(answering(answer)) as server:
        done = hooked(program, local(folder / "journals", server), cwd=folder)
    assert done.code == 0, done.err
    assert "internal error" not in done.err
    return journal_rows(folder / "journals")


def test_exit_in_the_middle_of_a_response(tmp_path: Path) -> None:
    (row,) = rows_of(LEFT, ANSWER[:4], tmp_path)
    assert row["metadata"]["stream_end"] == "dropped"
    assert row["output"][0]["content"] == [{"type": "text", "text": "Hel"}]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_childs_copy_ends_nothing(tmp_path: Path) -> None:
    (row,) = rows_of(FORKED, ANSWER, tmp_path)
    assert row["metadata"]["stream_end"] == "exhausted"
