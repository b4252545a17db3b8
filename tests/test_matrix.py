"""The matrix's table has every version that counts, and the command tells a failure from a success."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.doors import ROOT
from tests.matrix import __main__ as matrix
from tests.matrix import environments
from tests.matrix.environments import Failed, Tools
from tests.matrix.interpreters import interpreter
from tests.matrix.table import ROWS, Row, quick_rows

PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_each_python_that_the_package_names_is_tried() -> None:
    named = set(re.findall(r"Python :: (3\.\d+)", PROJECT))
    assert {row.python for row in ROWS} == named


def test_the_oldest_versions_that_the_package_allows_are_tried() -> None:
    dependencies = re.findall(
        r'"(\w+)>=([\d.]+)"', PROJECT.partition("dependencies = [")[2].partition("]")[0]
    )
    assert len(dependencies) == 2
    tried = {requirement for row in ROWS for requirement in row.requirements}
    for name, oldest in dependencies:
        assert any(requirement.startswith(f"{name}=={oldest}") for requirement in tried)
        assert name in tried


def test_the_quick_rows_are_the_oldest_and_the_newest_and_one_between_on_this_python() -> None:
    assert [row.name for row in quick_rows()] == ["oldest", "first-majors", "newest"]
    assert {row.python for row in quick_rows()} == {""}
    assert interpreter("") is not None


def test_a_python_that_the_machine_lacks_is_skipped_aloud(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(matrix, "ROWS", (Row("future", "3.99", ("openai",)),))
    monkeypatch.setattr(matrix, "tools", lambda: Tools(Path("python"), Path("wheel")))
    assert matrix.main([]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "future: not run, because this machine has no Python 3.99",
        "1 rows: 1 not run, in 0 s",
    ]


@pytest.mark.parametrize(
    ("output", "quick", "code"),
    [
        ("ERROR: Could not find a version that satisfies hatchling (from versions: none)", True, 0),
        ("ERROR: Could not find a version that satisfies hatchling (from versions: none)", False, 1),
        ("ERROR: something else", True, 1),
    ],
)
def test_only_the_quick_rows_may_lack_a_registry(
    output: str, quick: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failed() -> Tools:
        raise Failed("pip ended with 1", output)

    monkeypatch.setattr(matrix, "tools", failed)
    assert matrix.main(["--quick"] if quick else []) == code
    assert capsys.readouterr().out == f"the matrix was not run: pip ended with 1\n{output}\n"


def test_a_step_that_fails_or_hangs_tells_what_it_printed() -> None:
    python = interpreter("") or ""
    with pytest.raises(Failed, match="step ended with 3\nhello"):
        environments.ran([python, "-c", "print('hello'); raise SystemExit(3)"], 30, "step")
    with pytest.raises(Failed, match=r"step took longer than 1 s\nhello"):
        environments.ran([python, "-c", "import time; print('hello', flush=True); time.sleep(60)"], 1, "step")


def test_a_bttrace_that_is_not_the_wheel_is_a_failure(tmp_path: Path) -> None:
    elsewhere = tmp_path / "bin" / "python"
    elsewhere.parent.mkdir()
    elsewhere.symlink_to(interpreter("") or "")
    with pytest.raises(Failed, match="importing bttrace"):
        environments.versions(elsewhere)
