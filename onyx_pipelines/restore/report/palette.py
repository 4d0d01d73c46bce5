"""The palette's roles of a drill. Blue steps are recovery, orange is proof."""

from __future__ import annotations

from onyx_pipelines.restore.results import Step
from onyx_pipelines.restore.verdict import Verdict


def step_role(step: Step) -> str:
    return step.value.replace("_", "-")


def verdict_role(verdict: Verdict) -> str:
    return verdict.value.replace("_", "-")
