"""What the stack is made from: Compose's files, env files, certificates, the images' digests.

Sealed as one more volume, whose root is the host's: it is restored into a directory of its own and
looked at there, because a restored machine may have a newer one.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from onyx_pipelines.errors import SourceError
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.volumes.docker_engine import Container, DockerEngine, open_engine
from onyx_pipelines.sources.volumes.engine_places import EnginePlaces
from onyx_pipelines.sources.volumes.excludes import ExcludeRule

RECIPE: Final = "stack-recipe"
IMAGES: Final = "images.json"
_PROJECT: Final = "com.docker.compose.project"
_WORKING_DIRECTORY: Final = "com.docker.compose.project.working_dir"
_FILES: Final = (
    "com.docker.compose.project.config_files",
    "com.docker.compose.project.environment_file",
)
# Compose reads the first one by itself; others are named in its files.
_ENV_FILES: Final = (".env", ".env.*", "*.env")

_log = logging.getLogger(__name__)
Parts = tuple[bytes, ...]


class Chosen(ExcludeRule):
    """Leaves out all of the host but these paths, what they hold, and the way to them."""

    def __init__(self, paths: Iterable[Path], never: Iterable[Path]) -> None:
        # What a link stands for is needed too.
        self._chosen = {
            _parts(each) for path in paths for each in (path.absolute(), os.path.realpath(path))
        }
        self._above = {parts[:length] for parts in self._chosen for length in range(len(parts))}
        self._never = {_parts(os.path.realpath(path)) for path in never}

    def __call__(self, path: bytes, *, is_directory: bool) -> bool:  # noqa: ARG002
        parts = tuple(path.split(b"/"))
        if parts in self._never:
            return True
        is_below = any(parts[:length] in self._chosen for length in range(1, len(parts) + 1))
        return not is_below and parts not in self._above


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
    def from_settings(cls, settings: Settings) -> Self:
        keys = (settings.private_key_file, settings.signing_key_path)
        never = tuple(key for key in keys if key is not None)
        return cls(settings.recipe, never, settings.state_dir / "recipe")

    def chosen(self, docker_host: str, volumes: Collection[Path]) -> Chosen | None:
        """The configured paths, what Compose's own labels name of the projects that use these
        volumes, and a list of their images; None where nothing is configured and no project found.

        Raises:
            SourceError: the list cannot be written.
        """
        paths = self._paths(docker_host, volumes)
        return Chosen(paths, self.never) if paths else None

    def missing(self) -> list[str]:
        """A sentence for each configured path that is not there."""
        return [
            f"{RECIPE}: {path} of ONYX_RECIPE is not there"
            for path in self.configured
            if not os.path.lexists(path)
        ]

    def _paths(self, docker_host: str, volumes: Collection[Path]) -> tuple[Path, ...]:
        engine = open_engine(docker_host)
        if engine is None:
            return self.configured
        try:
            with engine:
                stack = _stack_of(engine, volumes)
                images = _images(engine, stack)
        except SourceError as error:
            _log.warning("the engine does not say what the stack is made from: %s", error.what)
            return self.configured
        note = (self._written(images),) if images else ()
        return (*self.configured, *_named_by(stack), *note)

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


def _stack_of(engine: DockerEngine, volumes: Iterable[Path]) -> list[Container]:
    """All containers of the projects of which one uses a volume."""
    containers, places = engine.containers(), EnginePlaces.of(engine)
    using = [each for volume in volumes for each in places.users(volume, containers)]
    projects = {each.labels[_PROJECT] for each in using if _PROJECT in each.labels}
    return [each for each in containers if each.labels.get(_PROJECT) in projects]


def _named_by(containers: Iterable[Container]) -> Iterator[Path]:
    """Those that this user can read: others are for whoever configures them."""
    for container in containers:
        labels = (container.labels.get(label, "") for label in _FILES)
        named = [Path(name) for label in labels for name in label.split(",")]
        folder = container.labels.get(_WORKING_DIRECTORY)
        if folder:
            named += [path for pattern in _ENV_FILES for path in Path(folder).glob(pattern)]
        for path in named:
            if path.is_absolute() and path.is_file() and os.access(path, os.R_OK):
                yield path


def _images(engine: DockerEngine, containers: Iterable[Container]) -> list[UsedImage]:
    return [
        UsedImage(
            container=each.name,
            project=each.labels.get(_PROJECT, ""),
            service=each.labels.get("com.docker.compose.service", ""),
            image=each.image,
            image_id=each.image_id,
            digests=tuple(engine.digests_of(each.image_id)),
        )
        for each in sorted(containers, key=lambda each: each.name)
    ]


def _parts(path: str | Path) -> Parts:
    return tuple(part for part in os.fsencode(path).split(b"/") if part)
