"""The code of each component by what can be done with it. Only what is asked for is loaded: clients
of databases and of Docker take a third of a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from onyx_pipelines.core.settings import Settings
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import Restoration, Work
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.reading import SetObjects


@dataclass(frozen=True)
class ComponentCode:
    """The functions of these names in the component's package.

    `drill` restores all of it somewhere else, compares it and throws it away; what scratch has no
    room for is left out as could-not-verify, and `share` says so. It raises:
        SettingsError: scratch lies in a configured volume; nothing was touched.
        RestoreError: there is no place to restore into, or it is the one that is backed up; nothing
            was touched.
        SourceError: a server that is named for drills does not answer.
        StoreError, KeyFileError: the set cannot be read.
    """

    drill: Callable[[Work], ComponentResult]
    restoration: Callable[[SetObjects, RestoreChoice, Settings], Restoration]


_PACKAGES: Final = {
    Component.POSTGRESQL: "postgres",
    Component.QDRANT: "qdrant",
    Component.VOLUMES: "volumes",
}


def code_of(component: Component) -> ComponentCode:
    """Its drill and its restoration; imported when the first of them is called."""
    package = _PACKAGES[component]
    return ComponentCode(
        drill=_on_demand(f"{package}.drilling", "drill"),
        restoration=_on_demand(f"{package}.restoring", "restoration"),
    )


def _on_demand(module: str, name: str) -> Callable[..., Any]:
    def call(*arguments: object) -> Any:
        return getattr(import_module(f"onyx_pipelines.restore.{module}"), name)(*arguments)

    return call
