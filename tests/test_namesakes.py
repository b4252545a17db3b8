"""An application's own package may be called as one that bttrace knows: it is left alone."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import bttrace
from bttrace.testing import capture
from tests.packages import written


def test_a_package_of_the_applications_own_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, {"agents/__init__.py": "", "agents/tool.py": "def search(query):\n    return query\n"})
    monkeypatch.syspath_prepend(str(tmp_path))
    with capture() as captured:
        try:
            own = importlib.import_module("agents.tool")
        finally:
            for name in ("agents", "agents.tool"):
                sys.modules.pop(name, None)
        assert own.search("x") == "x"
        assert not [seen for seen in bttrace.status().tools if "agents" in seen.sdk]
        assert captured.rows == []
    assert "bttrace" not in capsys.readouterr().err
