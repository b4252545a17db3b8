"""What is wrong is said once, naming the thing and the remedy; the program runs on and its exit code is its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doors import FOLDER, LOCAL, PYTHON, RUN, Finished, environment, finished
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat

MINE = "import sys; print('mine'); sys.exit(3)"
ASKS = (
    "import openai, sys\n"
    "client = openai.OpenAI(max_retries=0)\n"
    "for _ in range(3):\n"
    "    print(client.chat.completions.create(model='m', messages=[{'role': 'user', 'content': 'hi'}]).id)\n"
    "sys.exit(3)\n"
)
KEY = {"BRAINTRUST_API_KEY": "sk-very-secret"}

# variables, and the words that the one message must hold: the thing, its value, the remedy
WRONG = {
    "exporter": (
        {**KEY, "BTTRACE_EXPORTER": "foo"},
        ["BTTRACE_EXPORTER", "'foo'", "braintrust, local, console"],
    ),
    "exporter without a key": (
        {"BTTRACE_EXPORTER": "foo"},
        ["BTTRACE_EXPORTER", "'foo'", "braintrust, local"],
    ),
    "one of the exporters": (
        {"BTTRACE_EXPORTER": "local,foo"},
        ["BTTRACE_EXPORTER", "'local,foo'", "allowed"],
    ),
    "no key for the exporter": ({"BTTRACE_EXPORTER": "braintrust"}, ["BRAINTRUST_API_KEY", "Create a key"]),
    "timeout": (
        {**LOCAL, "BTTRACE_EXIT_TIMEOUT": "abc"},
        ["BTTRACE_EXIT_TIMEOUT", "'abc'", "seconds", "5.0"],
    ),
    "negative timeout": (
        {**LOCAL, "BTTRACE_EXIT_TIMEOUT": "-1"},
        ["BTTRACE_EXIT_TIMEOUT", "'-1'", "0 or more"],
    ),
    "endless timeout": (
        {**LOCAL, "BTTRACE_EXIT_TIMEOUT": "inf"},
        ["BTTRACE_EXIT_TIMEOUT", "'inf'", "seconds"],
    ),
    "url": ({**KEY, "BRAINTRUST_API_URL": "nonsense"}, ["BRAINTRUST_API_URL", "'nonsense'", "http"]),
    "app url": (
        {**KEY, "BRAINTRUST_APP_URL": "ftp://x"},
        ["BRAINTRUST_APP_URL", "'ftp://x'", "www.braintrust.dev"],
    ),
    "span names": ({**LOCAL, "BTTRACE_SPAN_NAMES": "x"}, ["BTTRACE_SPAN_NAMES", "'x'", "turn, braintrust"]),
    "log": ({**LOCAL, "BTTRACE_LOG": "loud"}, ["BTTRACE_LOG", "'loud'", "debug, info, warning"]),
    "content": (
        {**LOCAL, "BTTRACE_CAPTURE_CONTENT": "2"},
        ["BTTRACE_CAPTURE_CONTENT", "'2'", "true and false"],
    ),
    "disabled": (
        {**LOCAL, "BTTRACE_DISABLED": "perhaps"},
        ["BTTRACE_DISABLED", "'perhaps'", "true and false"],
    ),
}


def said_once(done: Finished, words: list[str], out: str = "mine\n", code: int = 3) -> None:
    assert (done.code, done.out) == (code, out), done.err
    [line] = done.err.splitlines()
    assert line.startswith("bttrace: ")
    for word in words:
        assert word in line, line
    assert "secret" not in line


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("door", ["folder", "run"])
def test_a_wrong_variable(tmp_path: Path, wrong: str, door: str) -> None:
    variables, words = WRONG[wrong]
    path = [FOLDER] if door == "folder" else []
    command = [PYTHON, "-c", MINE] if door == "folder" else [*RUN, "-c", MINE]
    said_once(finished(command, environment(variables, *path), tmp_path), words)


def test_two_wrong_variables_are_two_messages(tmp_path: Path) -> None:
    env = environment({**LOCAL, "BTTRACE_LOG": "loud", "BTTRACE_SPAN_NAMES": "x"}, FOLDER)
    done = finished([PYTHON, "-c", MINE], env, tmp_path)
    assert (done.code, done.out, len(done.said), len(done.err.splitlines())) == (3, "mine\n", 2, 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("colour='red'", ["'colour'", "known: ", "exporter", "journal_dir"]),
        ("exit_timeout='soon'", ["exit_timeout", "'soon'", "seconds"]),
        ("exporter=['local']", ["exporter", "allowed are"]),
        ("span_names=7", ["span_names", "7", "turn, braintrust"]),
        ("api_url=object", ["api_url", "http"]),
    ],
)
def test_a_wrong_option_of_enable(tmp_path: Path, options: str, words: list[str]) -> None:
    exporter = "" if "exporter" in options else "exporter='local', "
    code = f"import bttrace; bttrace.enable({exporter}{options}); bttrace.enable({options}); {MINE}"
    said_once(finished([PYTHON, "-c", code], environment(KEY), tmp_path), words)


def test_a_wrong_option_of_run(tmp_path: Path) -> None:
    done = finished([*RUN, "--exporter", "foo", "-c", MINE], environment(), tmp_path)
    said_once(done, ["EXPORTER", "'foo'", "braintrust, local"])


def test_an_env_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / ".env.braintrust").write_bytes(b"BRAINTRUST_API_KEY=\xff\xfe\n")
    done = finished([PYTHON, "-c", MINE], environment({}, FOLDER), tmp_path)
    said_once(done, [".env.braintrust", "not UTF-8", "check"])


@pytest.fixture(scope="module", name="asking")
def _asking() -> Iterator[dict[str, str]]:
    """The variables of a program that asks a provider."""
    with ProviderServer() as server:
        server.reply(chat())
        yield server.env()


@pytest.mark.parametrize("door", ["folder", "run"])
def test_a_journal_that_can_not_be_written(tmp_path: Path, asking: dict[str, str], door: str) -> None:
    (tmp_path / "in the way").write_text("a file")
    variables = {**LOCAL, **asking, "BTTRACE_JOURNAL_DIR": str(tmp_path / "in the way")}
    path = [FOLDER] if door == "folder" else []
    command = [PYTHON, "-c", ASKS] if door == "folder" else [*RUN, "-c", ASKS]
    done = finished(command, environment(variables, *path), tmp_path)
    said_once(done, ["in the way", "BTTRACE_JOURNAL_DIR"], out="chatcmpl-loopback\n" * 3)
    assert (tmp_path / "in the way").read_text() == "a file"


# Journals.


@pytest.fixture(scope="module", name="kept")
def _kept(tmp_path_factory: pytest.TempPathFactory, asking: dict[str, str]) -> Path:
    """The journal of three calls."""
    folder = tmp_path_factory.mktemp("kept")
    assert finished([PYTHON, "-c", ASKS], environment({**LOCAL, **asking}, FOLDER), folder).code == 3
    [journal] = (folder / ".bttrace").iterdir()
    return journal


@pytest.fixture(name="journal")
def _journal(tmp_path: Path, kept: Path) -> Path:
    (tmp_path / ".bttrace").mkdir()
    return Path(shutil.copy(kept, tmp_path / ".bttrace"))


def show(*arguments: str | Path, cwd: Path | None = None, **variables: str) -> Finished:
    return finished([PYTHON, "-m", "bttrace.show", *arguments], environment(variables), cwd)


def test_damaged_lines_are_skipped_with_a_count(journal: Path, tmp_path: Path) -> None:
    whole = show(journal)
    assert (whole.code, whole.err, whole.out.count("llm.generation")) == (0, "", 3)

    first, *others = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(first + b"not json\n" + others[0] + b"[1, 2]\n\n" + others[1][:40])
    damaged = show(journal)
    assert (damaged.code, damaged.out.count("llm.generation")) == (0, 2)
    [line] = damaged.err.splitlines()
    assert line == f"bttrace: 4 damaged lines of {journal} skipped."


@pytest.mark.parametrize(
    "odd",
    [
        b"\xff\xfe\n",
        b"null\n",
        b'{"span_id": "1", "metrics": "none", "span_attributes": [], "span_parents": 7, "error": {}}\n',
        b'{"span_id": "1", "root_span_id": "2", "span_parents": ["1"]}\n',
        b"{}\n",
        b'{"span_id": [], "root_span_id": "1"}\n',
        b"[" * 10_000 + b"\n",
    ],
)
def test_an_odd_line_costs_no_other(journal: Path, odd: bytes) -> None:
    journal.write_bytes(odd + journal.read_bytes() + odd)
    shown = show(journal)
    assert (shown.code, shown.out.count("llm.generation")) == (0, 3), shown.err


def test_the_newest_journal_is_shown(journal: Path, tmp_path: Path) -> None:
    bare = show(cwd=tmp_path)
    assert bare == show(journal.relative_to(tmp_path), cwd=tmp_path)
    assert bare == finished([PYTHON, "-m", "bttrace", "show"], cwd=tmp_path)
    moved = show(cwd=tmp_path.parent, BTTRACE_JOURNAL_DIR=str(journal.parent))
    assert moved == bare
    assert "\x1b" not in bare.out


def test_a_journal_that_is_not_there(tmp_path: Path) -> None:
    said_once(show("nowhere.jsonl", cwd=tmp_path), ["nowhere.jsonl", "can't be read", "name one"], "", 1)
    said_once(show(tmp_path, cwd=tmp_path), [tmp_path.name, "can't be read"], "", 1)
    said_once(show(cwd=tmp_path), [".bttrace", "bttrace run --exporter local"], "", 1)


def test_an_empty_journal_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    done = show("empty.jsonl", cwd=tmp_path)
    assert (done.code, done.out) == (0, "")


def test_a_reader_that_has_seen_enough(journal: Path) -> None:
    row = json.loads(journal.read_text().splitlines()[0])
    journal.write_text(
        "".join(json.dumps({**row, "root_span_id": str(i), "span_id": str(i)}) + "\n" for i in range(5000))
    )
    command = f'"{PYTHON}" -m bttrace.show "{journal}" | head -n 1'
    done = finished(["sh", "-c", command])
    assert (done.code, done.err, len(done.out.splitlines())) == (0, "", 1)
