"""All rules, in the order in which they are written."""

from __future__ import annotations

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.deployment import MANUS_NETWORK, Deployment
from onyx_pipelines.monitoring.rules.aftermath import aftermath
from onyx_pipelines.monitoring.rules.application import application
from onyx_pipelines.monitoring.rules.availability import availability
from onyx_pipelines.monitoring.rules.backups import backups
from onyx_pipelines.monitoring.rules.databases import databases
from onyx_pipelines.monitoring.rules.models import models
from onyx_pipelines.monitoring.rules.recorded import recordings
from onyx_pipelines.monitoring.rules.resources import resources
from onyx_pipelines.monitoring.rules.rule import Group
from onyx_pipelines.monitoring.rules.stack import stack
from onyx_pipelines.monitoring.rules.watcher import watcher


def groups(thresholds: Thresholds, deployment: Deployment = MANUS_NETWORK) -> list[Group]:
    """Recordings first: alerts read them."""
    return [
        *recordings(thresholds),
        *availability(thresholds, deployment),
        *application(thresholds),
        *models(thresholds),
        *resources(thresholds),
        *databases(thresholds),
        *backups(thresholds),
        *stack(),
        *watcher(deployment),
        *aftermath(),
    ]
