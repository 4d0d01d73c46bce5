"""Containers that use a volume are stopped while it is read or replaced, and always started again.

A backup stops what has the label; a restore, whatever has the directory mounted. Only what we
stopped is started. The journal is written before the first stop, so that the next run, or
`restart_journalled`, makes up for a kill.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final, Self

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.settings import VolumeSettings
from onyx_pipelines.core.text import limit_text
from onyx_pipelines.sources.volumes.container_order import (
    in_stop_order,
    needs_healthy,
    with_who_joins,
)
from onyx_pipelines.sources.volumes.docker_engine import Container, DockerEngine, open_engine
from onyx_pipelines.sources.volumes.engine_places import EnginePlaces
from onyx_pipelines.sources.volumes.interruption import Interruption
from onyx_pipelines.sources.volumes.journal import Journal, StoppedContainer

_log = logging.getLogger(__name__)

_COMPOSE_IDENTITY: Final = (
    "com.docker.compose.project",
    "com.docker.compose.service",
    "com.docker.compose.container-number",
)
_SWARM_TASK: Final = "com.docker.swarm.task.id"
# How long a container has to run to count as started: one that cannot work ends at once.
_RUNS_FOR_S: Final = 0.3
# A stop is waited for, and its volume's backup with it.
_LONGEST_GRACE_S: Final = 3600
# How long those that depend on a container's health wait for it.
_HEALTHY_WITHIN_S: Final = 30.0


class ContainerPause:
    """Which containers stop for which volume. `label` empty: none stops, what is owed is started.

    The label's value names the volume; without a value the container stops while any is read.
    """

    def __init__(self, docker_host: str, *, label: str, journal: Journal) -> None:
        self._docker_host = docker_host
        self._label = label
        self._journal = journal

    @classmethod
    def from_settings(cls, settings: VolumeSettings) -> Self | None:
        """None where no container is to stop and none waits for its start."""
        journal = Journal(settings.state_dir)
        if not settings.stop_containers_label and not journal.path.exists():
            return None
        return cls(settings.docker_host, label=settings.stop_containers_label, journal=journal)

    @classmethod
    def for_restore(cls, settings: VolumeSettings) -> Self | None:
        """None where there is no engine, so that no container uses anything."""
        if not settings.stop_containers_label:
            engine = open_engine(settings.docker_host)
            if engine is None:
                return None
            engine.close()
        journal = Journal(settings.state_dir)
        return cls(settings.docker_host, label=settings.stop_containers_label, journal=journal)

    @contextmanager
    def session(self) -> Iterator[PauseSession]:
        """Start what a killed run left stopped, then be able to stop.

        Raises:
            AlreadyRunningError: another process is in such a session.
            SourceError: the engine does not answer, or a container does not start.
        """
        interruption = Interruption()
        with (
            self._journal.held(),
            DockerEngine(self._docker_host) as engine,
            interruption.handled(),
        ):
            session = PauseSession(engine, self._label, self._journal, interruption)
            session.restart_left_behind()
            yield session


class PauseSession:
    """One process's right to stop and start. `warnings`: what a person should know afterwards."""

    def __init__(
        self, engine: DockerEngine, label: str, journal: Journal, interruption: Interruption
    ) -> None:
        self._engine = engine
        self._label = label
        self._journal = journal
        self._interruption = interruption
        self._warnings: list[str] = []
        self.restarted: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._warnings)

    def restart_left_behind(self) -> None:
        owed = self._journal.read()
        if owed:
            self._start(tuple(reversed(owed)))
            self.restarted = tuple(entry.name for entry in owed)
            self._warnings.append(
                "containers that an earlier, killed run had left stopped were started:"
                f" {', '.join(self.restarted)}"
            )

    @cached_property
    def places(self) -> EnginePlaces:
        return EnginePlaces.of(self._engine)

    @contextmanager
    def stopped(self, volume: str, directory: Path | None = None) -> Iterator[None]:
        """For a backup: those whose label has this value, and who shares a namespace of theirs.

        Args:
            directory: of the volume; what others wrote to it meanwhile becomes a warning.

        Raises:
            SourceError: one could not be stopped (the others run again), or not be started.
        """
        if not self._label:
            yield
            return
        alive = self._engine.alive()
        chosen = [each for each in alive if each.labels.get(self._label) == volume]
        for each in chosen:
            if each.is_paused:
                self._warnings.append(
                    f"container {each.name} is paused and was left so: its files are as they were"
                    " in that instant"
                )
        running = [each for each in chosen if each.is_running]
        with self._stopped(with_who_joins(running, alive)):
            before = {each.id for each in self._engine.alive()}
            yield
            if directory is not None:
                self._warn_of_others(volume, directory, before)

    @contextmanager
    def stopped_for(self, directory: Path, volume: str | None) -> Iterator[None]:
        """For a restore: all that have the directory mounted; if it is a volume's, who may write to
        it from above and what the label says; and who shares a namespace of theirs. One that
        somebody starts meanwhile is restarted.

        Raises:
            SourceError: one could not be stopped (the others run again), or not be started.
        """
        with self._stopped(self.users(directory, volume)) as owed:
            yield
            late = _users(self._engine.alive(), self.places, "", directory, volume)
            if late:
                names = ", ".join(each.name for each in late)
                self._warnings.append(f"started meanwhile, and therefore restarted: {names}")
                self._stop(late, owed)

    def users(self, directory: Path, volume: str | None) -> list[Container]:
        """Whom `stopped_for` would stop, in that order."""
        return _users(self._engine.alive(), self.places, self._label, directory, volume)

    @contextmanager
    def _stopped(self, containers: Sequence[Container]) -> Iterator[dict[str, StoppedContainer]]:
        """Started again however the block ends; gives what is owed, which may grow."""
        owed: dict[str, StoppedContainer] = {}
        try:
            self._stop(in_stop_order(self._without_ours(containers)), owed)
            yield owed
        finally:
            with self._interruption.deferred():
                self._start(tuple(reversed(owed.values())))

    def _stop(self, containers: Sequence[Container], owed: dict[str, StoppedContainer]) -> None:
        for container in containers:
            _refuse_what_cannot_be_stopped(container)
        if not containers:
            return
        entries = {
            container.id: _journal_entry(
                container, is_awaited=any(needs_healthy(each, container) for each in containers)
            )
            for container in containers
        }
        owed.update(entries)
        self._journal.write((*self._journal.read(), *entries.values()))
        for container in containers:
            _log.info("stopping container %s", container.name)
            if container.is_paused:
                self._engine.unpause(container)
            if not self._engine.stop(container):
                # Somebody else stopped it since we looked, so it is not ours to start.
                del owed[container.id]
                self._forget([container.id])

    def _without_ours(self, containers: Sequence[Container]) -> list[Container]:
        return [each for each in containers if each.id != self.places.own_id]

    def _warn_of_others(self, volume: str, directory: Path, before: Collection[str]) -> None:
        """One that Compose made anew, or somebody started, may have written."""
        alive = self._engine.alive()
        using = (*self.places.users(directory, alive), *self.places.writers_above(directory, alive))
        others = sorted({each.name for each in using if each.id not in before})
        if others:
            self._warnings.append(
                f"volume {volume}: started while it was read, so that it may be of two moments:"
                f" {', '.join(others)}"
            )

    def _start(self, owed: Iterable[StoppedContainer]) -> None:
        """Start every one, whatever happens to the others; what failed stays in the journal."""
        settled: list[str] = []
        problems: list[SourceError] = []
        for entry in owed:
            try:
                self._start_one(entry)
                settled.append(entry.id)
            except SourceError as error:
                _log.error("container %s was not started again: %s", entry.name, error.what)
                problems.append(error)
        self._forget(settled)
        if problems:
            raise SourceError(
                "Not every container that was stopped was started again."
                f" {' '.join(problem.what for problem in problems)}",
                remedy="Start them by hand (`docker start NAME`); the next backup tries again too.",
            )

    def _start_one(self, entry: StoppedContainer) -> None:
        container = self._find(entry)
        if container is None:
            self._warnings.append(
                f"container {entry.name} was removed while it was stopped, and not started again"
            )
            return
        if not container.is_running and not container.is_paused:
            _log.info("starting container %s", container.name)
            try:
                self._engine.start(container)
            except SourceError as error:
                raise SourceError(
                    f"Container {entry.name}: {error.what}", remedy=error.remedy
                ) from None
            time.sleep(_RUNS_FOR_S)
            after = self._engine.inspect(container.id)
            if after is None or not after.is_running:
                raise SourceError(
                    f"Container {entry.name} ended as soon as it was started.",
                    remedy="See its log (`docker logs NAME`).",
                )
            if entry.is_awaited:
                self._await_health(after)
            if entry.was_paused:
                self._engine.pause(after)

    def _await_health(self, container: Container) -> None:
        deadline = time.monotonic() + _HEALTHY_WITHIN_S
        waiting: Container | None = container
        while waiting and waiting.is_unhealthy and not self._interruption.is_pending:
            if time.monotonic() > deadline:
                self._warnings.append(
                    f"container {container.name} was not healthy after"
                    f" {limit_text(_HEALTHY_WITHIN_S)},"
                    " and what depends on it was started all the same"
                )
                return
            time.sleep(_RUNS_FOR_S)
            waiting = self._engine.inspect(container.id)

    def _find(self, entry: StoppedContainer) -> Container | None:
        """By id; else by name and Compose's labels, because a recreated one has a new id."""
        container = self._engine.inspect(entry.id)
        if container is not None:
            return container
        namesake = self._engine.inspect(entry.name)
        if (
            namesake is not None
            and namesake.name == entry.name
            and _compose_identity(namesake) == entry.compose
        ):
            return namesake
        if entry.compose:
            return next(iter(self._engine.with_labels(entry.compose)), None)
        return None

    def _forget(self, ids: Iterable[str]) -> None:
        settled = set(ids)
        if settled:
            self._journal.write(c for c in self._journal.read() if c.id not in settled)


def names_of_users(
    settings: VolumeSettings, directory: Path, volume: str | None
) -> list[str] | None:
    """The containers that a restore would stop; None: this host has no engine.

    Args:
        volume: the configured one that is there, for what the label says of it.

    Raises:
        SourceError: the engine does not answer, or one of them would not come back.
    """
    engine = open_engine(settings.docker_host)
    if engine is None:
        return None
    with engine:
        places, label = EnginePlaces.of(engine), settings.stop_containers_label
        users = _users(engine.alive(), places, label, directory, volume)
    for container in users:
        _refuse_what_cannot_be_stopped(container)
    return [container.name for container in users]


def restart_journalled(settings: VolumeSettings) -> tuple[str, ...]:
    """Start what a killed backup left stopped; the names of those containers, often none.

    Raises:
        AlreadyRunningError: a backup is under way that starts them itself.
        SourceError: the engine does not answer, or a container does not start.
    """
    journal = Journal(settings.state_dir)
    if not journal.path.exists():
        return ()
    pause = ContainerPause(settings.docker_host, label="", journal=journal)
    with pause.session() as session:
        return session.restarted


def _users(
    alive: Sequence[Container],
    places: EnginePlaces,
    label: str,
    directory: Path,
    volume: str | None,
) -> list[Container]:
    labels = {"", volume} if label and volume is not None else set()
    using = places.users(directory, alive)
    if volume is not None:
        using += places.writers_above(directory, alive)
    ids = {each.id for each in using}
    chosen = [each for each in alive if each.id in ids or each.labels.get(label) in labels]
    together = with_who_joins(chosen, alive)
    return in_stop_order([each for each in together if each.id != places.own_id])


def _journal_entry(container: Container, *, is_awaited: bool) -> StoppedContainer:
    return StoppedContainer(
        id=container.id,
        name=container.name,
        compose=_compose_identity(container),
        stopped_at=datetime.now(UTC).isoformat(timespec="seconds"),
        was_paused=container.is_paused,
        is_awaited=is_awaited,
    )


def _compose_identity(container: Container) -> dict[str, str]:
    return {key: container.labels[key] for key in _COMPOSE_IDENTITY if key in container.labels}


def _refuse_what_cannot_be_stopped(container: Container) -> None:
    if container.is_removed_when_stopped:
        reason = "it was made with --rm, so that stopping it would remove it"
    elif _SWARM_TASK in container.labels:
        reason = "it belongs to a Swarm service, which would start another one at once"
    elif container.stop_grace_s < 0:
        reason = "its stop timeout says that it is never killed, so that stopping it may never end"
    elif container.stop_grace_s > _LONGEST_GRACE_S:
        reason = f"its stop timeout of {container.stop_grace_s} s is longer than an hour"
    else:
        return
    raise SourceError(
        f"Container {container.name} cannot be stopped: {reason}.",
        remedy="Stop it by hand, or make it without that; a backup stops what has"
        " ONYX_STOP_CONTAINERS_LABEL's label, a restore what has the volume mounted.",
    )
