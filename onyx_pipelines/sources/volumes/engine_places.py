"""Which directory is which volume, and which containers use it, in the eyes of a Docker engine."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Self

from onyx_pipelines.host.mounts import MOUNTINFO
from onyx_pipelines.sources.volumes.docker_engine import Container, DockerEngine, Mount
from onyx_pipelines.sources.volumes.engine_volume import EngineVolume

# The engine mounts these files of its own into each container.
_OWN_ID: Final = re.compile(r"/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf) /etc/")


@dataclass(frozen=True)
class EnginePlaces:
    """What the engine said once. Without one: nothing is a volume, and nobody uses it.

    Args:
        own_id: of the container that this process runs in; empty: in none of this engine's.
        own_mounts: where that has the host's paths.
    """

    volumes: tuple[EngineVolume, ...] = ()
    own_id: str = ""
    own_mounts: tuple[Mount, ...] = ()

    @classmethod
    def of(cls, engine: DockerEngine | None) -> Self:
        """Raises SourceError: it does not answer."""
        if engine is None:
            return cls()
        own_id = _own_container_id()
        own = engine.inspect(own_id) if own_id else None
        return cls(
            volumes=tuple(engine.volumes()),
            own_id=own.id if own else "",
            own_mounts=own.mounts if own else (),
        )

    def volume_at(self, directory: Path) -> EngineVolume | None:
        """The volume whose mount point, or whose device, this is."""
        host = self._on_host(directory)
        at_device = None
        for volume in self.volumes:
            if volume.mountpoint and _resolved(volume.mountpoint) == host:
                return volume
            if volume.device and _resolved(volume.device) == host:
                at_device = volume
        return at_device or _volume_beside(directory)

    def data_of(self, directory: Path) -> Path:
        """Where the data of a volume is, whether or not a container runs that uses it."""
        volume = self.volume_at(directory)
        if volume is None or volume.device is None or self._is_mounted_for_us(directory):
            return directory
        return volume.device

    def here(self, path: Path) -> Path | None:
        """Where this process has that path of the host; None: nowhere."""
        if not self.own_id:
            return path
        above = [each for each in self.own_mounts if path.is_relative_to(each.source)]
        if not above:
            return None
        nearest = max(above, key=lambda each: len(PurePosixPath(each.source).parts))
        return Path(nearest.destination) / path.relative_to(nearest.source)

    def users(self, directory: Path, containers: Iterable[Container]) -> list[Container]:
        """Those that have it mounted, or a part of it. Never our own, which cannot stop itself."""
        names = self._names_of(directory)
        return self._with_mount(
            containers,
            lambda mount: any(_resolved(mount.source).is_relative_to(name) for name in names),
        )

    def writers_above(self, directory: Path, containers: Iterable[Container]) -> list[Container]:
        """Those that may write to it through a directory above it. Who only reads from there sees
        what takes its place."""
        above = {parent for name in self._names_of(directory) for parent in name.parents}
        return self._with_mount(
            containers, lambda mount: mount.is_writable and _resolved(mount.source) in above
        )

    def _with_mount(
        self, containers: Iterable[Container], is_it: Callable[[Mount], bool]
    ) -> list[Container]:
        return [
            each
            for each in containers
            if each.id != self.own_id and any(is_it(mount) for mount in each.mounts)
        ]

    def _names_of(self, directory: Path) -> list[Path]:
        """All the host's paths at which containers get what is there."""
        host = self._on_host(directory)
        volume = self.volume_at(directory)
        data = volume.device if volume and volume.device else host
        mountpoints = [
            Path(each.mountpoint)
            for each in self.volumes
            if each.mountpoint and each.device and _resolved(each.device) == _resolved(data)
        ]
        return [host, _resolved(data), *mountpoints]

    def _on_host(self, directory: Path) -> Path:
        if not self._is_mounted_for_us(directory):
            return _resolved(directory)
        mount = self._mount_of(directory)
        return Path(mount.source) / directory.relative_to(mount.destination)

    def _is_mounted_for_us(self, directory: Path) -> bool:
        """By the engine into our own container, where it stays as long as we run."""
        return any(directory.is_relative_to(mount.destination) for mount in self.own_mounts)

    def _mount_of(self, directory: Path) -> Mount:
        return max(
            (each for each in self.own_mounts if directory.is_relative_to(each.destination)),
            key=lambda each: len(PurePosixPath(each.destination).parts),
        )


def _own_container_id() -> str:
    try:
        found = _OWN_ID.search(MOUNTINFO.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    return found[1] if found else ""


def _volume_beside(directory: Path) -> EngineVolume | None:
    """What the driver `local` noted of a volume with options, where no engine says it."""
    note = directory.parent / "opts.json"
    if directory.name != "_data":
        return None
    try:
        noted = json.loads(note.read_bytes())
        names = {"type": "MountType", "o": "MountOpts", "device": "MountDevice"}
        options = {name: str(noted[key]) for name, key in names.items() if noted.get(key)}
    except (OSError, ValueError, AttributeError):
        return None
    return EngineVolume(directory.parent.name, options=options) if options else None


def _resolved(path: str | Path) -> Path:
    return Path(os.path.realpath(path))
