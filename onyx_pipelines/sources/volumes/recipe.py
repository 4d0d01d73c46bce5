"""What the stack is made from: Compose's files, env files, certificates, the images' digests.

Sealed as one more volume, whose root is the host's: it is restored into a directory of its own and
looked at there, because a restored machine may have a newer one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.settings import VolumeSettings
from onyx_pipelines.sources.volumes.compose_files import (
    PROJECT,
    SERVICE,
    ComposeFiles,
    compose_files,
    stack_of,
)
from onyx_pipelines.sources.volumes.docker_engine import Container, DockerEngine, open_engine
from onyx_pipelines.sources.volumes.engine_places import EnginePlaces
from onyx_pipelines.sources.volumes.excludes import ExcludeRule

RECIPE: Final = "stack-recipe"
IMAGES: Final = "images.json"
Parts = tuple[bytes, ...]


class Chosen(ExcludeRule):
    """Leaves out all of the host but these paths, what they hold, and the way to them."""

    def __init__(self, paths: Iterable[Path], never: Iterable[Path]) -> None:
        # What a link stands for is needed too.
        self._chosen = {
            _parts(each) for path in paths for each in (path.absolute(), os.path.realpath(path))
        }
        self._above = {parts[:length] for parts in self._chosen for length in range(len(parts))}
        # By inode: a key may have further names, such as where a container has it mounted.
        self._never = {_inode(os.fsencode(path)) for path in never} - {None}

    def __call__(self, path: bytes, *, is_directory: bool) -> bool:  # noqa: ARG002  (others need it)
        parts = tuple(path.split(b"/"))
        if any(parts[:length] in self._chosen for length in range(1, len(parts) + 1)):
            return bool(self._never) and _inode(b"/" + path) in self._never
        return parts not in self._above


@dataclass(frozen=True)
class UsedImage:
    """Of one container: enough to pull the very same image again."""

    container: str
    project: str
    service: str
    image: str
    image_id: str
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What is backed up of the host, and what should be and is not."""

    chosen: Chosen
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """Where it is found.

    Args:
        configured: paths beside those that the engine knows.
        never: what is left out of them, such as the key that opens the backup.
        notes: the directory in which the list of images is written.
    """

    configured: tuple[Path, ...]
    never: tuple[Path, ...]
    notes: Path

    @classmethod
    def from_settings(cls, settings: VolumeSettings) -> Self:
        keys = (settings.private_key_file, settings.signing_key_path)
        never = tuple(key for key in keys if key is not None)
        return cls(settings.recipe, never, settings.state_dir / "recipe")

    def found(self, docker_host: str, volumes: Collection[Path]) -> Found | None:
        """The configured paths, what Compose's own labels name of the projects that use these
        volumes, and a list of their images; None where nothing is configured and no project found.

        Raises:
            SourceError: the list cannot be written.
        """
        gone = [
            f"{path} of ONYX_RECIPE is not there"
            for path in self.configured
            if not os.path.lexists(path)
        ]
        try:
            files, images = _known(docker_host, volumes)
        except SourceError as error:
            files, images = ComposeFiles(), []
            gone.append(f"what Compose made is left out: {error.what}")
        notes = [self._written(images)] if images else []
        paths = [*self.configured, *files.readable, *notes]
        if not paths:
            return None
        unread = [
            f"{path} belongs to the stack and cannot be read here" for path in sorted(files.unread)
        ]
        return Found(
            Chosen(paths, self.never), tuple(f"{RECIPE}: {each}" for each in (*gone, *unread))
        )

    def _written(self, images: Sequence[UsedImage]) -> Path:
        note = self.notes / IMAGES
        try:
            note.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps([asdict(each) for each in images], indent=1)
            note.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SourceError(
                f"The list of the stack's images {note} cannot be written ({error.strerror}).",
                remedy="Make ONYX_STATE_DIR writable for this user.",
            ) from None
        return note


def _known(docker_host: str, volumes: Collection[Path]) -> tuple[ComposeFiles, list[UsedImage]]:
    """What the engine knows. Raises SourceError."""
    engine = open_engine(docker_host)
    if engine is None:
        return ComposeFiles(), []
    with engine:
        places = EnginePlaces.of(engine)
        stack = stack_of(engine.containers(), places, volumes)
        return compose_files(stack, places), _images(engine, stack)


def _images(engine: DockerEngine, containers: Iterable[Container]) -> list[UsedImage]:
    return [
        UsedImage(
            container=each.name,
            project=each.labels.get(PROJECT, ""),
            service=each.labels.get(SERVICE, ""),
            image=each.image,
            image_id=each.image_id,
            digests=tuple(engine.digests_of(each.image_id)),
        )
        for each in sorted(containers, key=lambda each: each.name)
    ]


def _inode(path: bytes) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116  (names are any bytes)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _parts(path: str | Path) -> Parts:
    return tuple(part for part in os.fsencode(path).split(b"/") if part)
