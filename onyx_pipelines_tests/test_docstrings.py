"""What a package offers to another one says what a reader cannot see in its signature."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

import onyx_pipelines

pytestmark = pytest.mark.slow

ROOT = Path(onyx_pipelines.__file__).parent

Definition = ast.FunctionDef | ast.ClassDef


@cache
def modules() -> dict[str, ast.Module]:
    return {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): (
            ast.parse(path.read_text(encoding="utf-8"))
        )
        for path in ROOT.rglob("*.py")
    }


def definitions(module: str) -> dict[str, Definition]:
    return {each.name: each for each in modules()[module].body if isinstance(each, Definition)}


@cache
def imports(module: str) -> tuple[tuple[str, str], ...]:
    """Each name that it takes from a module of ours: module, name."""
    return tuple(
        (node.module, each.name)
        for node in ast.walk(modules()[module])
        if isinstance(node, ast.ImportFrom) and node.module in modules()
        for each in node.names
    )


def place_of(module: str, name: str) -> tuple[str, str]:
    """Where it is defined: a package may pass it on."""
    passed_on = {taken: source for source, taken in imports(module) if source != module}
    if name in definitions(module) or name not in passed_on:
        return module, name
    return place_of(passed_on[name], name)


def package(module: str) -> str:
    return ".".join(module.split(".")[:2])


def says_what_it_is(definition: Definition) -> bool:
    """By a docstring, or by the description that Dagster shows."""
    described = {
        keyword.arg
        for decorator in definition.decorator_list
        if isinstance(decorator, ast.Call)
        for keyword in decorator.keywords
    }
    return bool(ast.get_docstring(definition)) or "description" in described


def test_whatever_another_package_uses_is_documented() -> None:
    offered = {
        place
        for module in modules()
        for taken in imports(module)
        if package((place := place_of(*taken))[0]) != package(module)
    }
    found = {place: definitions(place[0]).get(place[1]) for place in offered}
    silent = [place for place, each in found.items() if each and not says_what_it_is(each)]

    assert len(offered) > 400
    assert sorted(silent) == []
