"""The files that Compose made a project from: those that its containers' labels name, and the small
ones that these mention or the containers have mounted."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onyx_pipelines.sources.volumes.docker_engine import Container
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
            mentioned.update(_mentioned_in(here, {here.parent, folder or here.parent}))
        if folder is not None and _FOLDER in container.labels:
            mentioned.update(path for pattern in _ENV_FILES for path in folder.glob(pattern))
        mounted = (places.here(Path(mount.source)) for mount in container.mounts)
        mentioned.update(path for path in mounted if path is not None)
    found = named | {path for path in mentioned if _is_small_file(path)}
    readable = frozenset(path for path in found if os.access(path, os.R_OK))
    return ComposeFiles(readable, frozenset(found - readable | nowhere))


def _named_by(container: Container) -> Iterator[Path]:
    for label in _FILES:
        # What Compose read from its standard input has no path.
        names = container.labels.get(label, "").split(",")
        yield from (Path(name) for name in names if name.startswith("/"))


def _mentioned_in(file: Path, folders: Iterable[Path]) -> Iterator[Path]:
    try:
        words = set(_WORD.findall(file.read_bytes()))
    except OSError:
        return
    for word in words:
        yield from (folder / os.fsdecode(word) for folder in folders)


def _is_small_file(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size <= _SMALL_BYTES
