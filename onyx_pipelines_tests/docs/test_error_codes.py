"""docs/error_codes.md: every kind of error explains itself, in its own class."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

import onyx_pipelines
from docs.making.error_codes import kinds_of_error, parts
from onyx_pipelines.core.errors import OnyxError

pytestmark = pytest.mark.slow

_SOURCES = Path(onyx_pipelines.__file__).parent


def raised_as_transient() -> set[str]:
    """Names of classes that are somewhere made with `transient=` something that may be true."""
    return {
        call.func.id
        for path in _SOURCES.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        for word in call.keywords
        if word.arg == "transient" and ast.unparse(word.value) != "False"
    }


def test_each_kind_has_a_code_of_its_own() -> None:
    codes = Counter(kind.code for kind in kinds_of_error())

    assert set(codes.values()) == {1}
    assert OnyxError.code not in codes
    assert [code for code in codes if not re.fullmatch(r"[a-z]+(-[a-z]+)*", code)] == []


def test_each_kind_says_what_it_means_why_and_what_to_do() -> None:
    silent = [kind.code for kind in kinds_of_error() if not explains_itself(parts(kind))]

    assert silent == []


def explains_itself(said: dict[str, str]) -> bool:
    return all(len(said.get(name, "")) > 20 for name in ("Meaning", "Cause", "Remedy"))


def test_a_kind_that_may_pass_by_itself_says_when() -> None:
    transient = raised_as_transient()
    silent = {
        kind.__name__
        for kind in kinds_of_error()
        if kind.__name__ in transient and "Transient" not in parts(kind)
    }

    assert "StoreError" in transient
    assert silent == set()
