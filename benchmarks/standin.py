"""Copies of the stand-in SDK."""

from __future__ import annotations

import sys
from importlib import util
from types import ModuleType

from .environment import HERE


def loaded(name: str) -> ModuleType:
    """Gives a copy of the stand-in under a name of its own."""
    folder = HERE / "stainless"
    spec = util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is not there")
    module = sys.modules[name] = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
