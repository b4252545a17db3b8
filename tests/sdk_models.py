"""The SDKs' own models, walked by the dotted paths that rows use."""

import importlib
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel


def model(dotted: str) -> Any:
    """Gives what a dotted name leads to."""
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def shapes(annotation: Any) -> Iterator[Any]:
    """Yields the classes that a value may have, inside whatever wraps them."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        for choice in get_args(annotation):
            yield from shapes(choice)
    elif origin is Annotated or getattr(origin, "__name__", "") in ("Required", "NotRequired", "ReadOnly"):
        yield from shapes(get_args(annotation)[0])
    elif getattr(annotation, "__value__", None) is not None:
        yield from shapes(annotation.__value__)
    elif origin is not Literal:
        yield origin or annotation


def fields(shape: Any) -> dict[str, Any]:
    """Gives the annotated fields of a model or a TypedDict by name; a free-form mapping has none."""
    if not isinstance(shape, type) or shape.__module__ == "builtins":
        return {}
    if issubclass(shape, BaseModel):
        return {name: field.annotation for name, field in shape.model_fields.items()}
    return get_type_hints(shape, include_extras=True)


def resolves(root: Any, path: str) -> bool:
    """Tells whether a path leads to a field."""
    places = list(shapes(root))
    for name in path.split("."):
        places = [
            shape
            for place in places
            if name in fields(place)
            for shape in [*shapes(fields(place)[name]), None]
        ]
        if not places:
            return False
    return True
