"""The local sink: a journal on disk, and trees in a terminal."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from bttrace.journal import newest, rows
from tests.doors import FOLDER, LOCAL, PYTHON, Finished, environment, finished, hooked
from tests.loopback import replies
from tests.loopback.provider import ProviderServer

FIELDS = {
    "id", "span_id", "root_span_id", "span_attributes", "created", "input", "output", "metadata", "metrics", "context",
}  # fmt: skip
CALL = """
import openai
openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}])
"""


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(replies.chat("Hello"))
        yield server


def _journals(folder: Path) -> list[Path]:
    return sorted((folder / ".bttrace").glob("*.jsonl"))


def test_each_span_is_one_line_with_the_public_names(provider: ProviderServer, tmp_path: Path) -> None:
    done = hooked(CALL * 2, LOCAL, provider.env(), cwd=tmp_path)
    assert done.code == 0
    [journal] = _journals(tmp_path)
    assert re.fullmatch(r"\d{8}T\d{6}Z-\d+\.jsonl", journal.name)
    assert journal.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert len(lines) == 2
    assert all(set(line) == FIELDS for line in lines)


PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
SEES = f"""
import openai
image = {{"url": "data:image/png;base64,{b64encode(PICTURE).decode()}"}}
content = [{{"type": "image_url", "image_url": image}}] * 2
openai.OpenAI().chat.completions.create(model="m", messages=[{{"role": "user", "content": content}}])
"""


def test_attachments_are_kept_beside_the_journal_once(provider: ProviderServer, tmp_path: Path) -> None:
    for _ in range(2):
        done = hooked(SEES * 2, LOCAL, provider.env(), cwd=tmp_path)
        assert done.code == 0, done.err
    [file] = (tmp_path / ".bttrace" / "attachments").iterdir()
    assert file.read_bytes() == PICTURE
    assert file.name == f"{hashlib.sha256(PICTURE).hexdigest()}.png"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    found = [row for journal in _journals(tmp_path) for row in rows(journal)[0]]
    assert len(found) == 4
    told = {
        "type": "local_attachment",
        "content_type": "image/png",
        "filename": "attachment.png",
        "bytes": len(PICTURE),
        "path": f"attachments/{file.name}",
    }
    for row in found:
        content = json.loads(json.dumps(row["input"]))[0]["content"]
        assert [part["image_url"]["url"] for part in content] == [told, told]
    assert "image/png 72 B  image/png 72 B" in _show(tmp_path).out


def test_attachments_that_cannot_be_kept_are_one_message(provider: ProviderServer, tmp_path: Path) -> None:
    (tmp_path / ".bttrace").mkdir()
    (tmp_path / ".bttrace" / "attachments").write_text("in the way")
    done = hooked(SEES * 2, LOCAL, provider.env(), cwd=tmp_path)
    assert done.code == 0
    [line] = [line for line in done.err.splitlines() if line.startswith("bttrace: ")]
    assert "the journal only says what it was" in line
    [journal] = _journals(tmp_path)
    found, damaged = rows(journal)
    assert (len(found), damaged) == (2, 0)
    assert "local_attachment" in json.dumps(found[0]["input"])
    assert '"path"' not in json.dumps(found[0]["input"])


def test_the_console_shows_type_and_size(provider: ProviderServer, tmp_path: Path) -> None:
    done = hooked(SEES, {"BTTRACE_EXPORTER": "console"}, provider.env(), cwd=tmp_path)
    assert "image/png 72 B" in done.err


def test_run_prints_the_trees_at_exit_plain_without_a_terminal(
    provider: ProviderServer, tmp_path: Path
) -> None:
    done = hooked(CALL, LOCAL, provider.env(), cwd=tmp_path)
    assert done.out == ""
    assert "\x1b" not in done.err
    assert re.search(
        r"^llm\.generation \(gpt-4o-mini-2024-07-18\)  [\d.]+ m?s  .*in, .*out$", done.err, re.MULTILINE
    )
    assert f"kept in {_journals(tmp_path)[0].relative_to(tmp_path)}" in done.err


def test_the_sitecustomize_door_prints_no_tree(provider: ProviderServer, tmp_path: Path) -> None:
    done = finished([PYTHON, "-c", CALL], environment({**LOCAL, **provider.env()}, FOLDER), tmp_path)
    assert done == Finished(0, "", "")
    assert len(_journals(tmp_path)) == 1


def test_a_killed_process_leaves_every_finished_line_whole(provider: ProviderServer, tmp_path: Path) -> None:
    code = CALL * 3 + "import os, signal, time\ntime.sleep(1)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    done = hooked(code, LOCAL, provider.env(), cwd=tmp_path)
    assert done.code == -signal.SIGKILL
    found, damaged = rows(_journals(tmp_path)[0])
    assert (len(found), damaged) == (3, 0)


def test_a_forked_child_keeps_a_journal_of_its_own(provider: ProviderServer, tmp_path: Path) -> None:
    code = CALL + "import os\npid = os.fork()\n" + CALL + "os.waitpid(pid, 0) if pid else None\n"
    done = hooked(code, LOCAL, provider.env(), cwd=tmp_path)
    assert done.code == 0
    counts = sorted(len(rows(journal)[0]) for journal in _journals(tmp_path))
    assert counts == [1, 2]


def test_a_journal_that_cannot_be_written_is_one_message(provider: ProviderServer, tmp_path: Path) -> None:
    (tmp_path / ".bttrace").write_text("in the way")
    done = hooked(CALL * 3 + "print('fine')", LOCAL, provider.env(), cwd=tmp_path)
    assert (done.code, done.out) == (0, "fine\n")
    [line] = [line for line in done.err.splitlines() if line]
    assert str(tmp_path / ".bttrace") in line
    assert "BTTRACE_JOURNAL_DIR" in line


def _show(cwd: Path) -> Finished:
    return finished([PYTHON, "-m", "bttrace.show"], cwd=cwd)


def test_show_prints_the_newest_journal_and_counts_damage(provider: ProviderServer, tmp_path: Path) -> None:
    hooked(CALL, LOCAL, provider.env(), cwd=tmp_path)
    [journal] = _journals(tmp_path)
    with journal.open("a") as file:
        file.write('{"broken": \n[1]\n')
    done = _show(tmp_path)
    assert done.code == 0
    assert done.out.startswith("llm.generation (gpt-4o-mini-2024-07-18)")
    assert done.err == f"bttrace: 2 damaged lines of {journal.relative_to(tmp_path)} skipped.\n"


def test_show_without_a_journal_says_how_to_make_one(tmp_path: Path) -> None:
    done = _show(tmp_path)
    assert done.code == 1
    assert "bttrace run --exporter local" in done.err


def test_the_newest_journal_is_the_one_written_last(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    for name, age in (("b.jsonl", 2), ("a.jsonl", 1)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, ns=(-age * 10**9 + 10**18,) * 2)
    assert newest(tmp_path) == tmp_path / "a.jsonl"
