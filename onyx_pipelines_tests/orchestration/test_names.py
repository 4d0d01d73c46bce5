"""What jobs, assets, ops and groups are called stands in one module, and is what Dagster has."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import onyx_pipelines
from onyx_pipelines.core import names
from onyx_pipelines.core.names import AFTER_SET, BACKUP_ASSETS, DRILL_ASSETS, Asset, Group, Job
from onyx_pipelines.definitions import build_defs
from onyx_pipelines.sources.source import Component

_SOURCE = Path(onyx_pipelines.__file__).parent
_NAMES = Path(names.__file__)
# A name that is a word as well: a logger's, a folder's, a command's.
_WORDS = {"backup", "restore", "load_test", "triage"}


def _values(*of: type) -> set[str]:
    return {value for each in of for name, value in vars(each).items() if name.isupper()}


@pytest.mark.slow
def test_no_other_module_writes_the_name_of_a_job_or_an_asset_or_a_tag() -> None:
    known = _values(Job, Asset, names.Op, names.Tag) | {*BACKUP_ASSETS.values()}
    known |= {*DRILL_ASSETS.values(), names.SOURCE_POOL, *names.OWNERS}

    written = [
        f"{path.relative_to(_SOURCE)}:{node.lineno} {node.value}"
        for path in sorted(_SOURCE.rglob("*.py"))
        if path != _NAMES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in known - _WORDS
    ]

    assert written == []


def test_dagster_has_the_jobs_and_assets_and_groups_that_are_named() -> None:
    defs = build_defs()
    graph = defs.resolve_asset_graph()

    jobs = {job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__")}
    assets = {key.to_user_string() for key in graph.get_all_asset_keys()}
    groups = {graph.get(key).group_name for key in graph.get_all_asset_keys()}

    assert jobs == _values(Job)
    assert assets == _values(Asset) | {*BACKUP_ASSETS.values(), *DRILL_ASSETS.values()}
    assert groups == _values(Group)


def test_every_component_has_its_assets() -> None:
    assert {*BACKUP_ASSETS} == {*DRILL_ASSETS} == {*Component}


def test_dagster_copies_and_prunes_in_the_order_of_the_command_line() -> None:
    graph = build_defs().resolve_asset_graph()
    steps = [*BACKUP_ASSETS.values(), Asset.BACKUP_SET, *AFTER_SET]

    order = [
        key.to_user_string()
        for level in graph.toposorted_asset_keys_by_level
        for key in level
        if key.to_user_string() in steps
    ]

    assert order[3:] == [Asset.BACKUP_SET, *AFTER_SET]
