"""`bttrace.enable()` and `disable()`: on at any time, and off without a trace."""

from __future__ import annotations

import importlib.util
import sys
import threading
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import bttrace
from tests.doors import LOCAL, PYTHON, Finished, environment, finished, journal_rows
from tests.loopback.provider import ProviderServer
from tests.loopback.replies import chat, chat_stream

ASKED: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.fixture(name="server")
def _server() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.reply(lambda request: chat_stream() if request.json.get("stream") else chat())
        yield server


@pytest.fixture(name="client")
def _client(server: ProviderServer) -> Iterator[openai.OpenAI]:
    """A client that was built before anything was enabled."""
    with openai.OpenAI(base_url=server.openai_url, api_key="k", max_retries=0) as client:
        yield client


def ask(client: openai.OpenAI) -> str | None:
    return client.chat.completions.create(model="m", messages=ASKED).choices[0].message.content


def enable(journals: Path, **options: Any) -> None:
    bttrace.enable(exporter="local", journal_dir=str(journals), **options)


def classes() -> dict[tuple[str, str], dict[str, object]]:
    """What every class of the SDK consists of. Asks no object what it is, for that would load the SDK's lazy ones."""
    found = {}
    for module in [module for name, module in sys.modules.items() if name.split(".")[0] == "openai"]:
        for cls in list(vars(module).values()):
            if issubclass(type(cls), type) and cls.__module__.startswith("openai"):
                found[cls.__module__, cls.__qualname__] = dict(vars(cls))
    return found


def identities(of: dict[tuple[str, str], dict[str, object]]) -> dict[tuple[str, str], list[tuple[str, int]]]:
    return {key: [(name, id(value)) for name, value in parts.items()] for key, parts in of.items()}


def test_enable_covers_clients_that_were_built_before(client: openai.OpenAI, tmp_path: Path) -> None:
    enable(tmp_path)
    assert ask(client) == "Hello from loopback."
    assert bttrace.flush()
    assert len(journal_rows(tmp_path)) == 1


def test_enable_is_idempotent(client: openai.OpenAI, tmp_path: Path) -> None:
    enable(tmp_path / "first")
    finders = list(sys.meta_path)
    patched = identities(classes())
    enable(tmp_path / "second", project="other")
    bttrace.enable()
    assert (sys.meta_path, identities(classes())) == (finders, patched)
    ask(client)
    bttrace.flush()
    assert len(journal_rows(tmp_path / "first")) == 1
    assert not (tmp_path / "second").exists()


def test_disable_leaves_everything_as_it_was(client: openai.OpenAI, tmp_path: Path) -> None:
    ask(client)  # what the SDK makes on first use is there now
    held = classes()  # and its values are held, so that no identity can be used again
    before = (identities(held), [*sys.meta_path], [*sys.path], set(threading.enumerate()), [*sys.path_hooks])
    loader, spec = openai.__loader__, openai.__spec__
    for _ in range(3):
        enable(tmp_path)
        assert identities(classes()) != before[0]
        ask(client)
        bttrace.disable()
        bttrace.disable()
        after = (
            identities(classes()),
            [*sys.meta_path],
            [*sys.path],
            set(threading.enumerate()),
            [*sys.path_hooks],
        )
        assert after == before
        assert (openai.__loader__, openai.__spec__, spec.loader) == (loader, spec, loader)
        ask(client)
        assert not bttrace.status().enabled
    assert len(journal_rows(tmp_path)) == 3


def test_disable_delivers_what_ended_and_records_no_more(client: openai.OpenAI, tmp_path: Path) -> None:
    enable(tmp_path)
    stream = client.chat.completions.create(model="m", messages=ASKED, stream=True)
    ask(client)
    next(stream)
    bttrace.disable()
    assert len(journal_rows(tmp_path)) == 1
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hello from loopback."
    assert len(journal_rows(tmp_path)) == 1


def test_enabling_again_records_once(client: openai.OpenAI, tmp_path: Path) -> None:
    for round_ in range(3):
        enable(tmp_path / str(round_))
        stream = client.chat.completions.create(model="m", messages=ASKED, stream=True)
        assert len(list(stream)) == 5
        ask(client)
        bttrace.disable()
        assert len(journal_rows(tmp_path / str(round_))) == 2


def test_flush_and_disable_are_harmless_when_nothing_is_on() -> None:
    assert bttrace.flush(0.0) is True
    bttrace.disable()
    assert bttrace.flush() is True


def test_the_status_of_each_state(
    client: openai.OpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bttrace.enable()
    off = bttrace.status()
    assert (off.enabled, off.exporters, off.patched, off.sinks) == (False, (), (), {})
    assert str(off) == "bttrace is off: there is no BRAINTRUST_API_KEY and no BTTRACE_EXPORTER"

    monkeypatch.setenv("BTTRACE_DISABLED", "1")
    bttrace.enable(exporter="local")
    assert str(bttrace.status()) == "bttrace is off: BTTRACE_DISABLED is set"
    monkeypatch.delenv("BTTRACE_DISABLED")
    bttrace.enable(exporter="none")
    assert str(bttrace.status()) == "bttrace is off: BTTRACE_EXPORTER is none"

    enable(tmp_path)
    on = bttrace.status()
    [seen] = [seen for seen in on.patched if seen.sdk == "openai"]
    assert (on.enabled, on.reason, on.exporters, on.project, on.dropped) == (True, "", ("local",), None, 0)
    assert (seen.version, seen.missing) == (openai.__version__, ())
    assert on.journal is None
    text = str(on)
    assert text.startswith("bttrace is on\nexporters: local\n")
    assert f"openai {openai.__version__}: patched\n" in text
    assert "local: 0 sent, 0 kept, 0 waiting, 0 lost" in text

    ask(client)
    bttrace.flush()
    after = bttrace.status()
    assert after.sinks["local"].kept == 1
    assert after.journal == str(next(tmp_path.glob("*.jsonl")))
    assert f"journal: {after.journal}\n" in str(after)

    bttrace.disable()
    assert str(bttrace.status()) == "bttrace is off: bttrace.disable() was called"


def test_the_status_names_the_project() -> None:
    bttrace.enable(api_key="k", project="Harbour")
    assert bttrace.status().project == "Harbour"
    assert "project: Harbour\n" in str(bttrace.status())


def test_what_others_patched_after_us_is_left_to_them(client: openai.OpenAI, tmp_path: Path) -> None:
    owner = openai._base_client.SyncAPIClient
    original = owner.request
    enable(tmp_path)
    ours = vars(owner)["request"]

    def theirs(self: object, *args: object, **kwargs: object) -> object:
        return ours.__get__(self, type(self))(*args, **kwargs)

    try:
        owner.request = theirs  # type: ignore[method-assign,assignment]
        bttrace.disable()
        assert vars(owner)["request"] is theirs
        assert bttrace.status().left_behind == ("openai._base_client.SyncAPIClient.request",)
        assert "SyncAPIClient.request" in str(bttrace.status())
        assert ask(client) == "Hello from loopback."
        assert journal_rows(tmp_path) == []
    finally:
        owner.request = original  # type: ignore[method-assign]


def test_the_sdk_can_be_reloaded(server: ProviderServer, tmp_path: Path) -> None:
    code = (
        "import importlib, sys, bttrace\n"
        "bttrace.enable()\n"
        "import openai\n"
        "def ask():\n"
        "    m = [{'role': 'user', 'content': 'hi'}]\n"
        "    return openai.OpenAI(max_retries=0).chat.completions.create(model='m', messages=m).id\n"
        "ask()\n"
        "loader = openai.__loader__\n"
        "assert importlib.reload(openai) is openai\n"
        "assert openai.__loader__ == loader and openai.__spec__.loader is openai.__loader__\n"
        "ask()\n"
        "for name in [name for name in sys.modules if name.split('.')[0] == 'openai']: del sys.modules[name]\n"
        "import openai\n"
        "print(ask(), [str(seen) for seen in bttrace.status().patched], openai.__version__)\n"
    )
    variables = {**LOCAL, **server.env(), "BTTRACE_JOURNAL_DIR": str(tmp_path)}
    done = finished([PYTHON, "-c", code], environment(variables), tmp_path)
    version = openai.__version__
    assert done == Finished(0, f"chatcmpl-loopback ['openai {version}: patched'] {version}\n", "")
    assert len(journal_rows(tmp_path)) == 3


# The import itself, with a small SDK of the same shape.

PARTS = {
    "_base_client": {"SyncAPIClient": ["request", "_process_response"], "BaseClient": ["_build_request"]},
    "_streaming": {"Stream": ["__stream__", "close"], "AsyncStream": ["__stream__", "close"]},
    "_response": {"APIResponse": ["close"], "AsyncAPIResponse": ["close"]},
}
PARTS["_base_client"]["AsyncAPIClient"] = PARTS["_base_client"]["SyncAPIClient"]
INIT = "__version__ = '9.9'\nfrom . import _base_client, _streaming, _response\n"
REPORT = (
    "import openai\n"
    "print(type(openai.__loader__).__name__, openai.__spec__.loader is openai.__loader__,"
    " *map(str, bttrace.status().patched))\n"
)
PATCHED = "openai 9.9: patched\n"


def small_sdk(init: str = INIT) -> dict[str, str]:
    """The files of a package that has the places we patch, and nothing else."""
    files = {"openai/__init__.py": init}
    for module, owners in PARTS.items():
        lines = []
        for owner, names in owners.items():
            lines.append(f"class {owner}:")
            lines += [f"    def {name}(self, *args, **kwargs): ..." for name in names]
        files[f"openai/{module}.py"] = "\n".join(lines) + "\n"
    return files


@pytest.fixture(name="library")
def _library(tmp_path: Path) -> Path:
    return written(tmp_path / "library", small_sdk())


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def ran(code: str, *path: Path) -> Finished:
    return finished([PYTHON, "-c", f"import bttrace, sys\n{code}"], environment(LOCAL, *path))


@pytest.mark.parametrize("order", ["import openai; bttrace.enable()", "bttrace.enable(); import openai"])
def test_the_order_of_enabling_and_importing_is_free(library: Path, order: str) -> None:
    assert ran(f"{order}\n{REPORT}", library) == Finished(0, f"SourceFileLoader True {PATCHED}", "")


def test_an_sdk_in_a_zip_keeps_its_loader(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sdk.zip", "w") as archive:
        for name, text in small_sdk().items():
            archive.writestr(name, text)
    done = ran(f"bttrace.enable()\n{REPORT}", tmp_path / "sdk.zip")
    assert done == Finished(0, f"zipimporter True {PATCHED}", "")


def test_an_sdk_that_lacks_our_places_is_said_once(tmp_path: Path) -> None:
    library = written(tmp_path, {"openai.py": "__version__ = '0.1'"})
    done = ran("bttrace.enable()\nimport openai; print(openai.__version__)", library)
    assert (done.code, done.out) == (0, "0.1\n")
    [line] = done.said
    assert "openai 0.1 is not fully covered" in line
    assert "SyncAPIClient.request" in line


@pytest.mark.parametrize(
    "fault", ["raise ImportError('mine', name='x')", "1/0", "import no_such_module", "def x(:"]
)
def test_a_failing_import_fails_as_without_us(tmp_path: Path, fault: str) -> None:
    library = written(tmp_path, small_sdk(f"{INIT}{fault}\n"))
    hooked = ran("bttrace.enable()\nimport openai", library)
    bare = ran("pass\nimport openai", library)
    assert (hooked.code, hooked.last_line, hooked.frames) == (1, bare.last_line, bare.frames)
    again = "\ntry:\n    import openai\nexcept Exception as fault:\n    print(repr(fault), 'openai' in sys.modules)\n"
    assert ran(f"bttrace.enable(){again * 2}", library) == ran(f"pass{again * 2}", library)


def test_a_missing_sdk_is_missing_as_without_us(tmp_path: Path) -> None:
    (tmp_path / "anthropic.py").write_text("raise ModuleNotFoundError('gone', name='anthropic')")
    code = (
        "import importlib.util\n"
        "class Nowhere:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'openai': raise ModuleNotFoundError('hidden', name=name)\n"
        "sys.meta_path.insert(0, Nowhere())\n"
        "try:\n    import openai\nexcept ImportError as fault:\n    print(repr(fault))\n"
        "try:\n    import anthropic\nexcept ImportError as fault:\n    print(repr(fault), fault.name)\n"
    )
    assert ran(f"bttrace.enable()\n{code}", tmp_path) == ran(code, tmp_path)


def test_a_spec_found_before_the_import_is_usable(library: Path) -> None:
    code = (
        "import importlib.util, inspect\n"
        "spec = importlib.util.find_spec('openai')\n"
        "print(spec.name, spec.origin, spec.has_location, spec.parent, spec.submodule_search_locations, spec.cached)\n"
        "print(spec.loader.get_filename('openai'), spec.loader.is_package('openai'), spec.loader.name, spec.loader.path)\n"
        "print(spec.loader.get_source('openai'), spec.loader.get_code('openai').co_name, 'openai' in sys.modules)\n"
        "print(spec.loader.get_data(spec.origin))\n"
        "from importlib.resources import files\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "sys.modules['openai'] = module\n"
        "spec.loader.exec_module(module)\n"
        "print(module.__version__, type(module.__loader__).__name__, type(spec.loader).__name__)\n"
        "print(files('openai').joinpath('_streaming.py').is_file(), inspect.getsource(module))\n"
    )
    hooked = ran(f"bttrace.enable()\n{code}print(*bttrace.status().patched)", library)
    bare = ran(f"{code}print('{PATCHED.strip()}')", library)
    assert bare.code == 0, bare.err
    assert hooked == bare


LAZY = (
    "import importlib.util\n"
    "def lazily(name):\n"
    "    spec = importlib.util.find_spec(name)\n"
    "    spec.loader = importlib.util.LazyLoader(spec.loader)\n"
    "    module = sys.modules[name] = importlib.util.module_from_spec(spec)\n"
    "    spec.loader.exec_module(module)\n"
    "    return module\n"
    "def loaded(): return 'openai._streaming' in sys.modules\n"
)


@pytest.mark.parametrize(
    "order", ["module = lazily('openai'); bttrace.enable()", "bttrace.enable(); module = lazily('openai')"]
)
def test_a_lazy_module_stays_lazy_and_is_patched_when_it_loads(library: Path, order: str) -> None:
    code = (
        f"{LAZY}{order}\n"
        "print(loaded(), module.__version__, loaded())\n"
        "assert sys.modules['openai'] is module\n"
    )
    assert ran(f"{code}{REPORT}", library) == Finished(
        0, f"False 9.9 True\nSourceFileLoader True {PATCHED}", ""
    )


@pytest.mark.parametrize(
    "order", ["module = lazily('openai'); bttrace.enable()", "bttrace.enable(); module = lazily('openai')"]
)
def test_a_lazy_module_is_as_it_was_after_disable(library: Path, order: str) -> None:
    code = (
        f"{LAZY}{order}\n"
        "bttrace.disable()\n"
        "parts = object.__getattribute__(module, '__dict__')\n"
        "print(loaded(), type(parts['__loader__']).__name__, type(parts['__spec__'].loader).__name__)\n"
        "print(module.__version__)\n"
        "print(type(module._streaming.Stream.close).__name__)\n"
    )
    expected = "False SourceFileLoader SourceFileLoader\n9.9\nfunction\n"
    assert ran(code, library) == Finished(0, expected, "")


def test_an_import_that_another_thread_has_begun_is_not_missed(tmp_path: Path) -> None:
    library = written(tmp_path, small_sdk(f"import time\n{INIT}time.sleep(0.3)\n"))
    code = (
        "import threading, time\n"
        "threading.Thread(target=__import__, args=('openai',)).start()\n"
        "deadline = time.monotonic() + 10\n"
        "while 'openai._response' not in sys.modules and time.monotonic() < deadline: time.sleep(0.01)\n"
        "bttrace.enable()\n"
    )
    assert ran(f"{code}{REPORT}", library) == Finished(0, f"SourceFileLoader True {PATCHED}", "")


ASKS_ALL = """\
import importlib.util
class Finder:
    busy = False
    def find_spec(self, name, path=None, target=None):
        if self.busy or name != "openai": return None
        self.busy = True
        try: return importlib.util.find_spec(name)
        finally: self.busy = False
"""
ASKS_THE_OTHERS = """\
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "openai": return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None: return spec
"""


@pytest.mark.parametrize("finder", [ASKS_ALL, ASKS_THE_OTHERS])
@pytest.mark.parametrize(
    "order",
    [
        "sys.meta_path.insert(0, Finder()); bttrace.enable()",
        "bttrace.enable(); sys.meta_path.insert(0, Finder())",
    ],
)
def test_a_finder_of_another_tool_that_asks_the_others_does_not_recurse(
    library: Path, finder: str, order: str
) -> None:
    """As the post-import hooks of wrapt do, and our own."""
    done = ran(f"{finder}{order}\n{REPORT}", library)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(PATCHED)


def test_wrapts_post_import_hooks_and_ours_both_run(library: Path) -> None:
    code = "import wrapt\nwrapt.register_post_import_hook(lambda module: print('theirs'), 'openai')\n"
    for order in (f"{code}bttrace.enable()\n", f"bttrace.enable()\n{code}"):
        done = ran(f"{order}import openai; print(*map(str, bttrace.status().patched))", library)
        assert done == Finished(0, f"theirs\n{PATCHED}", "")


def test_the_snapshot_of_classes_can_tell_a_difference() -> None:
    before = classes()
    assert len(before) > 100
    cls = openai._streaming.Stream
    original = vars(cls)["close"]
    cls.close = types.FunctionType(original.__code__, original.__globals__)  # type: ignore[method-assign]
    try:
        assert identities(classes()) != identities(before)
    finally:
        cls.close = original  # type: ignore[method-assign]
    assert importlib.util.find_spec("openai") is openai.__spec__
