"""Which containers stop together, and in which order. Pure.

Who shares a container's namespace is cut off when that stops, and does not start without it. What
Compose's `depends_on` says is an order only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from onyx_pipelines.sources.volumes.docker_engine import Container

_PROJECT: Final = "com.docker.compose.project"
_SERVICE: Final = "com.docker.compose.service"
# `db:service_healthy:false,cache:service_started:true`
_DEPENDS_ON: Final = "com.docker.compose.depends_on"


def with_who_joins(chosen: Iterable[Container], alive: Sequence[Container]) -> list[Container]:
    """The chosen ones and, with them, who shares a namespace of theirs; in the order of `alive`."""
    ids = {each.id for each in chosen}
    while True:
        joining = {
            each.id
            for each in alive
            if each.id not in ids and any(_joins(each, other) for other in alive if other.id in ids)
        }
        if not joining:
            return [each for each in alive if each.id in ids]
        ids |= joining


def in_stop_order(containers: Sequence[Container]) -> list[Container]:
    """Who needs another one stops before it; else by name. A circle is cut somewhere."""
    ordered: list[Container] = []
    seen: set[str] = set()

    def visit(container: Container) -> None:
        if container.id in seen:
            return
        seen.add(container.id)
        for other in by_name:
            if needs(container, other):
                visit(other)
        ordered.append(container)

    by_name = sorted(containers, key=lambda each: each.name, reverse=True)
    for container in by_name:
        visit(container)
    ordered.reverse()
    return ordered


def needs(container: Container, other: Container) -> bool:
    """It cannot, or should not, start before the other one."""
    return container.id != other.id and (
        _joins(container, other) or _condition(container, other) is not None
    )


def needs_healthy(container: Container, other: Container) -> bool:
    return _condition(container, other) == "service_healthy"


def _joins(container: Container, other: Container) -> bool:
    return other.id in container.joins or other.name in container.joins


def _condition(container: Container, other: Container) -> str | None:
    """On which Compose starts the container, if it waits for the other one's service at all."""
    if container.labels.get(_PROJECT, "") != other.labels.get(_PROJECT):
        return None
    for dependency in container.labels.get(_DEPENDS_ON, "").split(","):
        service, _, condition = dependency.partition(":")
        if service and service == other.labels.get(_SERVICE):
            return condition.partition(":")[0] or "service_started"
    return None
