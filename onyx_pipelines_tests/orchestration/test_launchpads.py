"""What a person reads in the launchpad of every job: each option says what it is for, and shows a
default that means what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from onyx_pipelines.core.names import Asset, Op
from onyx_pipelines.definitions import build_defs
from onyx_pipelines.load_test.assets import LoadTestConfig
from onyx_pipelines.load_test.plan import FULL, QUICK
from onyx_pipelines.load_test.results import Scenario

_LEAST_CHARACTERS = 25
DEFS = build_defs()
JOBS = [job.name for job in DEFS.resolve_all_job_defs() if not job.name.startswith("__")]


def options_of(job: str) -> Iterator[tuple[str, Any]]:
    """Each option of ours of each op and resource: where it stands, and Dagster's field."""
    root = DEFS.resolve_job_def(job).run_config_schema.config_type.fields
    for part in ("ops", "resources"):
        for name, node in _fields(root[part]).items():
            for option, field in _fields(_fields(node).get("config")).items():
                if name != "io_manager":  # Dagster's own; no asset of ours has a value
                    yield f"{part}.{name}.{option}", field


def _fields(field: Any) -> dict[str, Any]:
    """Of a part of a run config; a scalar has none."""
    return getattr(getattr(field, "config_type", None), "fields", {})


@pytest.mark.parametrize("name", JOBS)
def test_every_option_is_described(name: str) -> None:
    silent = [
        option
        for option, field in options_of(name)
        if len(field.description or "") < _LEAST_CHARACTERS
    ]

    assert silent == []


@pytest.mark.parametrize("name", JOBS)
def test_no_default_stands_for_something_else(name: str) -> None:
    placeholders = [
        option
        for option, field in options_of(name)
        if field.default_provided
        and not isinstance(field.default_value, bool)
        and field.default_value in (0, -1, "")
    ]

    assert placeholders == []


def test_options_of_every_kind_of_job_are_looked_at() -> None:
    seen = {option for name in JOBS for option, _ in options_of(name)}

    assert {
        f"ops.{Asset.SAMPLES}.users",
        f"ops.{Op.RESTORE}.confirm",
        f"ops.{Op.VERIFY}.store",
        f"ops.{Asset.BACKUP_SET}.backup_type",
    } <= seen


@pytest.mark.parametrize("name", JOBS)
def test_nothing_of_the_resources_is_asked_for(name: str) -> None:
    assert [option for option, _ in options_of(name) if option.startswith("resources.")] == []


@pytest.mark.parametrize(
    "given",
    [
        {},
        {
            "profile": "",
            "scenarios": [],
            "users": 0,
            "messages": 0,
            "repeats": 0,
            "step_seconds": 0.0,
            "sweep_users": [],
            "open_seconds": -1.0,
        },
    ],
    ids=["nothing", "what older run configs have in its place"],
)
def test_a_load_test_without_options_is_the_profile(given: dict[str, Any]) -> None:
    assert LoadTestConfig(**given).as_profile("quick") == QUICK


def test_a_load_test_takes_what_it_is_given() -> None:
    config = LoadTestConfig(scenarios=[Scenario.RAG], users=7, open_seconds=0)

    assert config.as_profile("full") == FULL.changed(scenarios=(Scenario.RAG,), users=7, open_s=0.0)
