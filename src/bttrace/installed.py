"""What is installed, told without importing it."""

from __future__ import annotations

from importlib.machinery import PathFinder

UNKNOWN = "unknown"  # the version of what is not installed


def is_installed(package: str) -> bool:
    """Tells whether a package could be imported, by its outermost one, and imports nothing."""
    return PathFinder.find_spec(package.partition(".")[0]) is not None


def version(package: str) -> str:
    """Gives the version of an installed package."""
    from importlib import metadata  # 20 ms, and needed by few

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return UNKNOWN
