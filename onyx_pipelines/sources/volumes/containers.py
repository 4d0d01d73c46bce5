"""Containers that use a volume are stopped while it is read, and always started again.

Only what runs and has the label is stopped, and only what we stopped is started. The journal is
written before the first stop, so that the next run, or `restart_journalled`, makes up for a kill.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, Self

from onyx_pipelines.errors import SourceError
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.volumes.docker_engine import Container, DockerEngine
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


class ContainerPause:
    """Which containers stop for which volume. `label` empty: none stops, what is owed is started.

    The label's value names the volume; without a value the container stops while any is read.
    """

    def __init__(self, docker_host: str, *, label: str, journal: Journal) -> None:
        self._docker_host = docker_host
        self._label = label
        self._journal = journal

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """None where no container is to stop and none waits for its start."""
        journal = Journal(settings.state_dir)
        if not settings.stop_containers_label and not journal.path.exists():
            return None
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
            self._start(owed)
            self.restarted = tuple(entry.name for entry in owed)
            self._warnings.append(
                "containers that an earlier, killed backup had left stopped were started:"
                f" {', '.join(self.restarted)}"
            )

    @contextmanager
    def stopped(self, volume: str) -> Iterator[None]:
        """Stop the containers whose label has this value; started again however the block ends.

        Raises:
            SourceError: one could not be stopped (the others run again), or not be started.
        """
        chosen = self._chosen(volume)
        if not chosen:
            yield
            return
        owed = {container.id: _journal_entry(container) for container in chosen}
        try:
            self._journal.write((*self._journal.read(), *owed.values()))
            for container in chosen:
                _log.info("stopping container %s", container.name)
                if not self._engine.stop(container):
                    # Somebody else stopped it since we looked, so it is not ours to start.
                    del owed[container.id]
                    self._forget([container.id])
            yield
        finally:
            with self._interruption.deferred():
                self._start(tuple(reversed(owed.values())))

    def _chosen(self, volume: str) -> list[Container]:
        if not self._label:
            return []
        chosen = [
            container
            for container in self._engine.running_with_label(self._label)
            if container.labels.get(self._label) == volume
        ]
        for container in chosen:
            _refuse_what_cannot_come_back(container)
        return chosen

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
                "Not every container that was stopped for a backup was started again."
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
        if not container.is_running:
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


def restart_journalled(settings: Settings) -> tuple[str, ...]:
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


def _journal_entry(container: Container) -> StoppedContainer:
    return StoppedContainer(
        id=container.id,
        name=container.name,
        compose=_compose_identity(container),
        stopped_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _compose_identity(container: Container) -> dict[str, str]:
    return {key: container.labels[key] for key in _COMPOSE_IDENTITY if key in container.labels}


def _refuse_what_cannot_come_back(container: Container) -> None:
    if container.is_removed_when_stopped:
        reason = "it was made with --rm, so that stopping it would remove it"
    elif _SWARM_TASK in container.labels:
        reason = "it belongs to a Swarm service, which would start another one at once"
    else:
        return
    raise SourceError(
        f"Container {container.name} cannot be stopped for a backup: {reason}.",
        remedy="Take ONYX_STOP_CONTAINERS_LABEL's label off it, or make it without that.",
    )
