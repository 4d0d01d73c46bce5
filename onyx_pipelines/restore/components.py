"""The code of each component by what can be done with it. Only what is asked for is loaded: clients
of databases and of Docker take a third of a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from onyx_pipelines.core.settings import Settings
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import PlannedChange, Work
from onyx_pipelines.restore.journal import RestoreJournal
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.sources.source import Component


@dataclass(frozen=True)
class ComponentCode:
    """The functions of these names in the component's package, where their errors are told."""

    drill: Callable[[Work], ComponentResult]
    restore: Callable[[Work, RestoreChoice, RestoreJournal], ComponentResult]
    plan: Callable[[SetObjects, RestoreChoice, Settings], list[PlannedChange]]
    # What tells the place that is restored into from every other.
    target_identity: Callable[[SetObjects, RestoreChoice, Settings], str]


_PACKAGES: Final = {
    Component.POSTGRESQL: "postgres",
    Component.QDRANT: "qdrant",
    Component.VOLUMES: "volumes",
}


def code_of(component: Component) -> ComponentCode:
    """Its plan, drill and restore; imported when the first of them is called."""
    package = _PACKAGES[component]
    return ComponentCode(
        drill=_on_demand(f"{package}.drilling", "drill"),
        restore=_on_demand(f"{package}.restoring", "restore"),
        plan=_on_demand(f"{package}.planning", "plan"),
        target_identity=_on_demand(f"{package}.restoring", "target_identity"),
    )


def _on_demand(module: str, name: str) -> Callable[..., Any]:
    def call(*arguments: object) -> Any:
        return getattr(import_module(f"onyx_pipelines.restore.{module}"), name)(*arguments)

    return call
