"""The import hook, on a small SDK of the shape that we patch: every import is as without us."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.doors import LOCAL, PYTHON, Finished, environment, finished
from tests.packages import INIT, small_sdk, written

REPORT = (
    "import openai\n"
    "print(type(openai.__loader__).__name__, openai.__spec__.loader is openai.__loader__,"
    " *map(str, bttrace.status().patched))\n"
)
PATCHED = "openai 9.9: patched\n"


@pytest.fixture(name="library")
def _library(tmp_path: Path) -> Path:
    return written(tmp_path / "library", small_sdk())


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
    assert line == "bttrace: openai 0.1 is not an SDK that bttrace knows, and is not traced."


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
