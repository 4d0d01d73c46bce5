"""A volume that is opened for a backup: where its data really is, and whether it is there."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.host.mounts import is_mount_point
from onyx_pipelines.sources.volumes.archiving import open_root
from onyx_pipelines.sources.volumes.docker_engine import open_engine
from onyx_pipelines.sources.volumes.engine_places import EnginePlaces
from onyx_pipelines.sources.volumes.engine_volume import EngineVolume
from onyx_pipelines.sources.volumes.excludes import ExcludeRule, exclude_rule
from onyx_pipelines.sources.volumes.recipe import RECIPE, Found

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadVolume:
    """`docker`: as an engine knows it. `root_fd` keeps what it opened, also when that is unmounted
    because its containers stop. `used`: the directory that containers may have mounted. `warnings`:
    what of it cannot be read, known beforehand."""

    name: str
    directory: Path
    root_fd: int
    is_excluded: ExcludeRule
    excludes: tuple[str, ...] = ()
    docker: EngineVolume | None = None
    used: Path | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def open_recipe(cls, stack: ExitStack, found: Found) -> Self:
        """What was chosen of the host."""
        root = Path("/")
        root_fd = _opened(stack, root, RECIPE)
        return cls(RECIPE, root, root_fd, found.chosen, warnings=found.warnings)

    @classmethod
    def open(
        cls, stack: ExitStack, name: str, path: Path, places: EnginePlaces, excludes: Sequence[str]
    ) -> Self:
        """Until the end of `stack`.

        Raises:
            SourceError: it is not there, or only would be while a container runs.
        """
        docker = places.volume_at(path)
        directory = places.data_of(path)
        if docker is not None:
            _refuse_what_is_not_mounted(name, directory, docker)
        return cls(
            name,
            directory,
            _opened(stack, directory, name),
            exclude_rule(excludes),
            tuple(excludes),
            docker,
            used=directory,
        )

    def check_it_is_still_there(self) -> None:
        """One that somebody unmounted or replaced looks as if all files had vanished; it must not
        pass as that.

        Raises:
            SourceError: it is another one.
        """
        if self.docker and self.docker.is_mounted_for_containers and self.docker.device is None:
            return  # the engine unmounts it with its containers; we have it open
        opened = os.fstat(self.root_fd)
        try:
            now = self.directory.stat()
            is_same = stat.S_ISDIR(now.st_mode) and os.path.samestat(opened, now)
        except OSError:
            is_same = False
        if not is_same:
            raise SourceError(
                f"Volume {self.name} was removed, replaced or unmounted while it was read.",
                remedy="Run the backup again when it is back.",
                transient=True,
            )


def _opened(stack: ExitStack, directory: Path, name: str) -> int:
    fd = open_root(directory, name)
    stack.callback(os.close, fd)
    return fd


def known_places(docker_host: str) -> EnginePlaces:
    """What the engine says; nothing where it does not answer, which stops no backup of directories
    that are there."""
    engine = open_engine(docker_host)
    if engine is None:
        return EnginePlaces()
    try:
        with engine:
            return EnginePlaces.of(engine)
    except SourceError as error:
        _log.warning("it is not known which volumes are Docker's: %s", error.what)
        return EnginePlaces()


def _refuse_what_is_not_mounted(name: str, directory: Path, docker: EngineVolume) -> None:
    if docker.is_in_memory:
        raise SourceError(
            f"Volume {name} is in memory ({docker.described()}) and ends with its containers.",
            remedy="Take it out of ONYX_VOLUMES, or give it a driver that keeps its data.",
        )
    if docker.device is None and docker.is_mounted_for_containers and not is_mount_point(directory):
        raise SourceError(
            f"Volume {name} is not mounted: {docker.described()}, it is there only while a"
            " container uses it.",
            remedy="Start a container that uses it before the backup, or mount it elsewhere on this"
            " host and name that directory in ONYX_VOLUMES.",
        )
