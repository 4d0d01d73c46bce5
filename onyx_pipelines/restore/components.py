"""The code of each component by what can be done with it. Only what is asked for is loaded: clients
of databases and of Docker take a third of a second."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from onyx_pipelines.core.settings import Settings
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import Restoration, Work
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.reading import SetObjects

_PACKAGES: Final = {
    Component.POSTGRESQL: "postgres",
    Component.QDRANT: "qdrant",
    Component.VOLUMES: "volumes",
}


def drill(work: Work) -> ComponentResult:
    """Restore all of the component somewhere else, compare it and throw it away. What scratch has
    no room for is left out as could-not-verify, and `share` says so.

    Raises:
        SettingsError: scratch lies in a configured volume; nothing was touched.
        RestoreError: there is no place to restore into, or it is the one that is backed up; nothing
            was touched.
        SourceError: a server that is named for drills does not answer.
        StoreError, KeyFileError: the set cannot be read.
    """
    result: ComponentResult = _module(work.component, "drilling").drill(work)
    return result


def restoration(
    component: Component, objects: SetObjects, choice: RestoreChoice, settings: Settings
) -> Restoration:
    """Raises as `Restoration` says of making one."""
    made: Restoration = _module(component, "restoring").restoration(objects, choice, settings)
    return made


def _module(component: Component, name: str) -> Any:
    return import_module(f"onyx_pipelines.restore.{_PACKAGES[component]}.{name}")
