"""Dagster's own `dg`, as its documentation says: in the project's folder, nothing configured."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from subprocess import run

import pytest

from onyx_pipelines.core.names import Group, Job

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def dg(home: Path, *words: str) -> str:
    done = run(
        [str(BIN / "dg"), *words],
        cwd=ROOT,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "yes"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.thorough
def test_dg_check_defs_finds_nothing_wrong(tmp_path: Path) -> None:
    assert "All definitions loaded successfully" in dg(tmp_path, "check", "defs")


def test_dg_list_defs_lists_every_capability_with_owners_and_descriptions(tmp_path: Path) -> None:
    listed = json.loads(dg(tmp_path, "list", "defs", "--json"))

    jobs = {each["name"] for each in listed["jobs"]}
    groups = {each["group_name"] for each in listed["assets"]}
    undescribed = [
        each.get("asset_key") or each["name"]
        for kind in ("assets", "asset_checks", "jobs")
        for each in listed[kind]
        if not each["description"]
    ]
    assert {Job.BACKUP, Job.DRILL, Job.RESTORE, Job.LOAD_TEST} <= jobs
    assert groups == {
        *(Group.BACKUP, Group.RESTORE, Group.LOAD_TEST, Group.MONITORING, Group.ERRORS),
        Group.READINESS,
    }
    assert undescribed == []
    assert all(each["owners"] for each in listed["assets"])
