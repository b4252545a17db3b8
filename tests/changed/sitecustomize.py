"""Makes the SDK that a program imports another version of itself, in which methods are not where they were.

`CHANGES` lists them as JSON, as `module.Class.method`; a lone `__version__` or `httpx` is taken away. What bttrace says of
itself at the end goes to the file `STATUS`.
"""

import atexit
import json
import os
import pathlib
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

CHANGES = json.loads(os.environ["CHANGES"])


class _Changing(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if module.__name__ == "openai" and "__version__" in CHANGES:
            del module.__version__
        for change in CHANGES:
            where, _, place = change.rpartition(".")
            where, _, owner = where.rpartition(".")
            if where == module.__name__:
                _hide(getattr(module, owner), place)


def _hide(cls: type, place: str) -> None:
    """Takes a method away, so that only those who ask an instance for it still get it."""
    hidden = vars(cls)[place]
    delattr(cls, place)
    asked = getattr(cls, "__getattr__", None)

    def found(instance: object, name: str) -> object:
        if name == place:
            return hidden.__get__(instance)
        if asked is None:
            raise AttributeError(name)
        return asked(instance, name)

    cls.__getattr__ = found  # type: ignore[attr-defined]


class _Finder:
    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> "ModuleSpec | None":
        if name.partition(".")[0] != "openai":
            return None
        spec = PathFinder.find_spec(name, path)  # type: ignore[arg-type]
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Changing(spec.loader.name, spec.loader.path)
        return spec


def _tell() -> None:
    bttrace = sys.modules.get("bttrace")
    if bttrace is not None:
        pathlib.Path(os.environ["STATUS"]).write_text(str(bttrace.status()), encoding="utf-8")


if CHANGES:
    sys.meta_path.insert(0, _Finder)
if "httpx" in CHANGES:
    sys.modules["httpx"] = None  # type: ignore[assignment]
atexit.register(_tell)
