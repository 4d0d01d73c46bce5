"""docs/error_codes.md, written from the classes: what each says of itself in its docstring."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import onyx_pipelines
from onyx_pipelines.core.errors import OnyxError

_PARTS = ("Cause", "Remedy", "Transient")
_NEVER = "no"

_HEAD = """# Error codes

Generated from the classes of errors by `make docs`; do not edit.

Every error says what happened, to what, and what to do. Its `code` stands in the JSON of a
command that fails (`--json`, [command line](command_line.md)) and never changes. Exit code 1: it
is done, and the answer is bad; 2: it could not be done. *Transient*: the same call may succeed
later with nobody's help; only then is it tried again by itself, and only where the error says so.

| code | exit code | transient | what it means |
|---|---|---|---|
"""


def kinds_of_error() -> list[type[OnyxError]]:
    """All that the package has, also those that only the sandbox and the command line raise."""
    for module in pkgutil.walk_packages(onyx_pipelines.__path__, "onyx_pipelines."):
        if not module.name.endswith(("__main__", ".definitions")):
            importlib.import_module(module.name)
    found, left = set(), [OnyxError]
    while left:
        for kind in left.pop().__subclasses__():
            if kind.__module__.startswith("onyx_pipelines."):
                found.add(kind)
                left.append(kind)
    return sorted(found, key=lambda kind: kind.code)


def parts(kind: type[OnyxError]) -> dict[str, str]:
    """`Meaning`, `Cause`, `Remedy` and, where there is one, `Transient` of its own docstring."""
    text = inspect.cleandoc(vars(kind).get("__doc__") or "")
    marks = re.split(rf"^({'|'.join(_PARTS)}): ", text, flags=re.MULTILINE)
    meaning = marks[0].split("\n\n")[0]
    said = {"Meaning": meaning, **dict(zip(marks[1::2], marks[2::2], strict=True))}
    return {name: " ".join(each.split()) for name, each in said.items()}


def page() -> str:
    """The whole page."""
    kinds = kinds_of_error()
    rows = "".join(_row(kind) for kind in kinds)
    return _HEAD + rows + "".join(_section(kind) for kind in kinds)


def _row(kind: type[OnyxError]) -> str:
    said = parts(kind)
    transient = "at times" if "Transient" in said else _NEVER
    return (
        f"| [`{kind.code}`](#{kind.code}) | {kind.exit_code} | {transient} |"
        f" {_linked(said['Meaning'])} |\n"
    )


def _section(kind: type[OnyxError]) -> str:
    said = {name: _linked(text) for name, text in parts(kind).items()}
    return (
        f"\n## {kind.code}\n\n{said['Meaning']} Exit code {kind.exit_code}.\n\n"
        f"- **Cause:** {said['Cause']}\n"
        f"- **What to do:** {said['Remedy']}\n"
        f"- **Transient:** {said.get('Transient', _NEVER + '.')}\n"
    )


def _linked(text: str) -> str:
    """Pages that a docstring names, as links from beside them."""
    return re.sub(r"docs/(\w+\.md)", r"[\1](\1)", text)
