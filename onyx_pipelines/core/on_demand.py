"""Names of a package whose modules are loaded when a name is first used, not with the package.

Whoever needs one small module of it need not wait for clients of databases (a third of a second).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def on_demand(package: str, places: Mapping[str, str]) -> Callable[[str], object]:
    """A `__getattr__` for the package (PEP 562).

    Args:
        places: the module of the package that has it, by name.
    """

    def found(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{places[name]}"), name)

    return found
