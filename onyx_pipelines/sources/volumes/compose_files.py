"""The files that Compose made a project from: those that its containers' labels name, and the small
ones that these mention or the containers have mounted, also in a directory that they only read."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from onyx_pipelines.sources.volumes.docker_engine import Container, Mount
from onyx_pipelines.sources.volumes.engine_places import EnginePlaces

PROJECT: Final = "com.docker.compose.project"
SERVICE: Final = "com.docker.compose.service"
_FOLDER: Final = "com.docker.compose.project.working_dir"
_FILES: Final = (
    "com.docker.compose.project.config_files",
    "com.docker.compose.project.environment_file",
)
# Compose reads the first one by itself; whatever is called like it is one, too.
_ENV_FILES: Final = (".env", ".env.*", "*.env")
# Settings, scripts, certificates; what is larger is data.
_SMALL_BYTES: Final = 1 << 20
_FEW_FILES: Final = 100
_COMPOSE_SUFFIXES: Final = (".yaml", ".yml")
# Whatever may be a path: `./nginx.conf:/etc/nginx.conf:ro`, `env_file: [secrets/api.env]`.
_WORD: Final = re.compile(rb"[^\s\"'\[\]{},:#=]+")


@dataclass(frozen=True)
class ComposeFiles:
    """Paths as this process has them. `unread`: it cannot read these, or has them nowhere."""

    readable: frozenset[Path] = frozenset()
    unread: frozenset[Path] = frozenset()


def stack_of(
    containers: Sequence[Container], places: EnginePlaces, volumes: Iterable[Path]
) -> list[Container]:
    """All containers of the projects of which one uses a volume, and of our own one."""
    using = [
        each
        for volume in volumes
        for find in (places.users, places.writers_above)
        for each in find(volume, containers)
    ]
    using += [each for each in containers if each.id == places.own_id]
    projects = {each.labels[PROJECT] for each in using if PROJECT in each.labels}
    return [each for each in containers if each.labels.get(PROJECT) in projects]


def compose_files(containers: Iterable[Container], places: EnginePlaces) -> ComposeFiles:
    """Those that the labels of these containers name, by where they are on this machine."""
    named: set[Path] = set()
    nowhere: set[Path] = set()
    mentioned: set[Path] = set()
    for container in containers:
        folder = places.here(Path(container.labels.get(_FOLDER, "/")))
        for path in _named_by(container):
            here = places.here(path)
            if here is None:
                nowhere.add(path)
                continue
            named.add(here)
            _add_mentioned_in(here, {here.parent, folder or here.parent}, mentioned)
        if folder is not None and _FOLDER in container.labels:
            mentioned.update(path for pattern in _ENV_FILES for path in folder.glob(pattern))
        for mount in container.mounts:
            here = places.here(Path(mount.source))
            if here is not None and _is_settings(here, mount, places):
                named.add(here)
    found = named | {path for path in mentioned if _is_small_file(path)}
    readable = frozenset(path for path in found if os.access(path, os.R_OK))
    return ComposeFiles(readable, frozenset(found - readable | nowhere))


def _named_by(container: Container) -> Iterator[Path]:
    for label in _FILES:
        # What Compose read from its standard input has no path.
        names = container.labels.get(label, "").split(",")
        yield from (Path(name) for name in names if name.startswith("/"))


def _add_mentioned_in(file: Path, folders: Collection[Path], mentioned: set[Path]) -> None:
    """Also what those files mention that it includes or extends."""
    try:
        words = set(_WORD.findall(file.read_bytes()))
    except OSError:
        return
    found = {folder / os.fsdecode(word) for word in words for folder in folders} - mentioned
    mentioned |= found
    for each in found:
        if each.suffix in _COMPOSE_SUFFIXES and _is_small_file(each):
            _add_mentioned_in(each, {each.parent, *folders}, mentioned)


def _is_settings(path: Path, mount: Mount, places: EnginePlaces) -> bool:
    """A file that is mounted, or a directory that may only be read there and holds little."""
    if _is_small_file(path):
        return True
    if mount.is_writable or places.volume_at(path) is not None:
        return False
    below = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    inside = [*islice(below, _FEW_FILES + 1)]
    return 0 < len(inside) <= _FEW_FILES and all(map(_is_small_file, inside))


def _is_small_file(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size <= _SMALL_BYTES
