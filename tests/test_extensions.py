"""SDKs that users describe themselves, through `BTTRACE_PROVIDERS` and entry points, and through all three doors.

The SDK is a copy of a real one under another name, so that nobody knows it but its user.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doors import FOLDER, LOCAL, PYTHON, RUN, Finished, environment, finished, journal_rows
from tests.kin import BY_PACKAGE
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat
from tests.packages import small_sdk, written

DESCRIPTION = """\
from dataclasses import replace
from bttrace.model import Provider
from bttrace.providers.openai.chat import CHAT
PROVIDER = Provider(sdk="acme", name="acme", endpoints=(replace(CHAT, path="/openai/v1/chat/completions"),))
OTHER = Provider(sdk="other", name="other", endpoints=(CHAT,))
KNOWN = Provider(sdk="openai", name="openai", endpoints=(CHAT,))
NUMBER = 7
"""
APP = """\
import os, sys
{first}
import acme
{then}
client = acme.Groq(api_key="k", base_url=os.environ["ACME"], max_retries=0)
print(client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "hi"}}]).id)
"""
NAMED = {"BTTRACE_PROVIDERS": "acme_tracing:PROVIDER"}


def entry_point(folder: Path, line: str) -> None:
    """An installed distribution with one entry point."""
    written(
        folder / "acme_tracing-1.0.dist-info",
        {
            "METADATA": "Metadata-Version: 2.1\nName: acme-tracing\nVersion: 1.0\n",
            "entry_points.txt": f"[bttrace.providers]\n{line}\n",
        },
    )


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """An application's own folder, which is on the path only once Python runs the application."""
    source = Path(BY_PACKAGE["groq"].sdk.__file__).parent
    shutil.copytree(source, tmp_path / "acme", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_response.py", "_utils/_resources_proxy.py"):  # the rest of it never says its own name
        file = tmp_path / "acme" / name
        file.write_text(
            file.read_text().replace("from groq import", "from acme import").replace('"groq.', '"acme.')
        )
    return written(tmp_path, {"acme_tracing.py": DESCRIPTION, "app.py": APP.format(first="", then="")})


@pytest.fixture(name="provider")
def _provider() -> Iterator[ProviderServer]:
    with ProviderServer() as provider:
        provider.route("/openai/v1/chat/completions", chat())
        yield provider


def through(door: str, folder: Path, provider: ProviderServer, variables: dict[str, str]) -> Finished:
    variables = {**variables, **LOCAL, "ACME": provider.url}
    if door == "folder":
        return finished([PYTHON, "app.py"], environment(variables, FOLDER), folder)
    if door == "run":
        return finished([*RUN, "app.py"], environment({**variables, "BTTRACE_LOG": "error"}), folder)
    order = {"first": "import bttrace; bttrace.enable()", "then": ""}
    if door == "enable afterwards":
        order = {"first": "import bttrace", "then": "bttrace.enable()"}
    (folder / "app.py").write_text(APP.format(**order))
    return finished([PYTHON, "app.py"], environment(variables), folder)


@pytest.mark.parametrize("door", ["folder", "run", "enable", "enable afterwards"])
@pytest.mark.parametrize("way", ["variable", "entry point"])
def test_a_described_sdk_is_traced(folder: Path, provider: ProviderServer, door: str, way: str) -> None:
    if way == "entry point":
        entry_point(folder, "acme = acme_tracing:PROVIDER")
    done = through(door, folder, provider, NAMED if way == "variable" else {})
    assert (done.code, done.out, done.said) == (0, "chatcmpl-loopback\n", [])
    (row,) = journal_rows(folder / ".bttrace")
    assert row["metadata"]["provider"] == "acme"
    assert row["metrics"]["tokens"] == 18
    assert row["context"]["span_origin"]["instrumentation"] == {"name": "bttrace.acme"}
    assert row["context"]["caller_filename"].endswith("app.py")


def test_one_that_nobody_describes_is_not(folder: Path, provider: ProviderServer) -> None:
    done = through("folder", folder, provider, {})
    assert done == Finished(0, "chatcmpl-loopback\n", "")
    assert journal_rows(folder / ".bttrace") == []


def test_its_version_is_told_though_it_was_not_known_at_first(folder: Path, provider: ProviderServer) -> None:
    (folder / "app.py").write_text(
        APP.format(first="import bttrace; bttrace.enable()", then="")
        + "print(*[str(seen) for seen in bttrace.status().patched])\n"
        + "bttrace.disable()\n"
        + "print(type(vars(acme._base_client.SyncAPIClient)['request']).__name__, type(acme.__loader__).__name__)\n"
    )
    variables = {**LOCAL, **NAMED, "ACME": provider.url}
    done = finished([PYTHON, "app.py"], environment(variables), folder)
    version = BY_PACKAGE["groq"].sdk.__version__
    expected = f"chatcmpl-loopback\nacme {version}: patched\nfunction SourceFileLoader\n"
    assert done == Finished(0, expected, "")


# What is wrong -> what the one line says of it, after the variable and the value
BAD = {
    "acme_tracing": ("must be module:ATTRIBUTE, several with commas",),
    "acme tracing:PROVIDER": ("must be module:ATTRIBUTE",),
    "nowhere:PROVIDER": ("'nowhere' can't be imported (ModuleNotFoundError: No module", "Python path"),
    "broken:PROVIDER": ("'broken' can't be imported (Broken: mine)", "Python path"),
    "acme_tracing:NOTHING": ("'acme_tracing' has no 'NOTHING'", "name one of its bttrace.model.Provider"),
    "acme_tracing:NUMBER": ("'NUMBER' is of type int", "must be a bttrace.model.Provider"),
    "acme_tracing:KNOWN": ("bttrace describes 'openai' itself", "leave it out"),
}


@pytest.fixture(name="library")
def _library(tmp_path: Path) -> Path:
    """A known SDK and an unknown one, both with nothing but the places that are patched."""
    files = small_sdk()
    files |= {name.replace("openai", "acme"): text for name, text in files.items()}
    files["acme/_base_client.py"] += "from . import _response, _streaming\n"  # as in every real one
    files |= {
        "acme_tracing.py": DESCRIPTION,
        "broken.py": "class Broken(Exception): pass\nraise Broken('mine')\n",
    }
    return written(tmp_path / "library", files)


@pytest.mark.parametrize("package", ["openai", "acme"])
@pytest.mark.parametrize("value", BAD)
def test_a_bad_value_is_one_line_and_changes_nothing(library: Path, value: str, package: str) -> None:
    code = f"import {package}\nprint({package}.__version__)"
    done = finished([PYTHON, "-c", code], environment({**LOCAL, "BTTRACE_PROVIDERS": value}, FOLDER, library))
    assert (done.code, done.out) == (0, "9.9\n")
    (line,) = done.err.splitlines()
    assert line.startswith(f"bttrace: BTTRACE_PROVIDERS={value!r} is not valid: ")
    assert all(part in line for part in BAD[value])


def test_the_good_ones_of_several_are_used(library: Path) -> None:
    value = " nowhere:PROVIDER, acme_tracing:OTHER , acme_tracing:PROVIDER,"
    code = (
        f"import bttrace; bttrace.enable(providers={value!r})\n"
        "import acme, openai\n"
        "print(*[seen.sdk for seen in bttrace.status().patched])"
    )
    done = finished([PYTHON, "-c", code], environment(LOCAL, library))
    assert (done.code, done.out, len(done.said)) == (0, "acme openai\n", 1), done.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("acme = nowhere:PROVIDER", "'acme' of bttrace.providers, 'nowhere:PROVIDER', is not valid"),
        ("acme = acme_tracing:OTHER", "'acme' of bttrace.providers describes 'other'"),
    ],
)
def test_a_bad_entry_point_is_one_line_when_its_sdk_comes(library: Path, line: str, said: str) -> None:
    entry_point(library, line)
    for package in ("openai", "acme"):
        done = finished([PYTHON, "-c", f"import {package}"], environment(LOCAL, FOLDER, library))
        assert (done.code, done.out) == (0, "")
        assert [said in line for line in done.err.splitlines()] == ([] if package == "openai" else [True])


@pytest.mark.parametrize(("package", "times"), [("openai", 0), ("acme", 1)])
def test_entry_points_are_read_once_and_only_for_an_sdk_that_is_unknown(
    library: Path, package: str, times: int
) -> None:
    code = (
        "import importlib, importlib.metadata\n"
        "def entry_points(group): print(group); return []\n"
        "importlib.metadata.entry_points = entry_points\n"
        f"import {package}\n"
        f"importlib.reload({package}._base_client)\n"
    )
    done = finished([PYTHON, "-c", code], environment(LOCAL, FOLDER, library))
    assert done == Finished(0, "bttrace.providers\n" * times, "")
