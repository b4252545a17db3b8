"""What is installed: the package, its types, its licence, and the folder for PYTHONPATH."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.doors import ROOT, environment


def test_an_installed_wheel_has_everything_and_its_door_opens(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert (site / "bttrace" / "py.typed").exists()
    assert list(site.glob("*.dist-info/licenses/LICENSE"))
    assert {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")} == {"bttrace"}

    where = [sys.executable, "-m", "bttrace.path"]
    own = environment({"PYTHONPATH": str(site)})
    folder = subprocess.run(
        where, env=own, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert Path(folder) == site / "bttrace" / "sitecustomize"
    code = "import sys; print(sys.modules['bttrace'].__file__)"
    own = environment({"PYTHONPATH": f"{folder}:{site}", "BRAINTRUST_API_KEY": "k"})
    done = subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == site / "bttrace" / "__init__.py"
