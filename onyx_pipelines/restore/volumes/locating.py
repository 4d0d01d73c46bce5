"""Where a volume's data is on this host, as its Docker engine says, and where one of a set goes;
volumes are made there before anything is restored into them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from onyx_pipelines.core.errors import (
    IntegrityError,
    NotFoundError,
    RestoreError,
    SettingsError,
    SourceError,
)
from onyx_pipelines.core.settings import EngineSettings, Settings, VolumeSettings
from onyx_pipelines.restore.choice import RestoreChoice, not_a_place
from onyx_pipelines.restore.engine import chosen_of
from onyx_pipelines.restore.volumes.volume_objects import VolumeObjects, open_facts, volumes_of
from onyx_pipelines.sources.volumes.docker_engine import DockerEngine, open_engine
from onyx_pipelines.sources.volumes.engine_places import EnginePlaces
from onyx_pipelines.sources.volumes.engine_volume import EngineVolume
from onyx_pipelines.sources.volumes.recipe import RECIPE
from onyx_pipelines.vault.reading import SetObjects


@dataclass(frozen=True)
class Place:
    """`directory`: links in its path are resolved. `missing`: the volume that has to be made there
    through the engine, which would make it root's afterwards."""

    directory: Path
    missing: EngineVolume | None = None


@dataclass(frozen=True)
class Locator:
    """`volumes_root`: below which the engine's driver `local` has its volumes."""

    places: EnginePlaces
    volumes_root: Path | None

    @classmethod
    def of(cls, settings: EngineSettings) -> Self:
        """Raises SourceError: there is an engine, and it does not answer."""
        engine = open_engine(settings.docker_host)
        if engine is None:
            return cls(EnginePlaces(), None)
        with engine:
            return cls(EnginePlaces.of(engine), engine.root_directory() / "volumes")

    def directory_of(self, path: Path) -> Path:
        """Where the data of the volume at `path` is, as far as the engine knows."""
        return _resolved(self.places.data_of(path))

    def place_of(self, path: Path, recorded: EngineVolume | None) -> Place:
        """Where the data of the volume at `path` is.

        Args:
            recorded: what the set says that the volume was made with.

        Raises:
            RestoreError: it is there only while a container runs.
        """
        known = self.places.volume_at(path)
        missing = None if known else self._to_be_made(path, recorded)
        volume = known or missing
        if volume is None:
            return Place(_resolved(path))
        if volume.device is None and volume.is_mounted_for_containers:
            raise RestoreError(
                f"The volume {volume.name!r} is {volume.described()}: it is mounted only for its"
                " containers, which stop while it is replaced.",
                remedy="Mount it elsewhere on this host and restore there (--into), with its"
                " containers stopped.",
            )
        if missing is not None:
            return Place(_resolved(missing.device or path), missing)
        return Place(self.directory_of(path))

    def _to_be_made(self, path: Path, recorded: EngineVolume | None) -> EngineVolume | None:
        """Only where the engine would make it: elsewhere a directory of that name is no volume."""
        if recorded is None or self.volumes_root is None:
            return None
        if recorded.driver != "local":
            return recorded  # wherever its driver would mount it: over what is put there
        expected = self.volumes_root / recorded.name / "_data"
        is_device = recorded.device is not None and _resolved(recorded.device) == _resolved(path)
        if _resolved(expected) != _resolved(path) and not is_device:
            return None
        is_taken = any(each.name == recorded.name for each in self.places.volumes)
        return None if is_taken else replace(recorded, mountpoint=str(expected))


@contextmanager
def made_volume(
    settings: EngineSettings, volume: EngineVolume | None
) -> Iterator[Callable[[], None]]:
    """Make it for the block. Call what it gives when the data is in place: otherwise the volume is
    taken away again at the block's end.

    Raises:
        RestoreError: the engine does not make it.
    """
    engine = None if volume is None else open_engine(settings.docker_host)
    if engine is None or volume is None:
        yield lambda: None
        return
    is_kept = _may_exist(Path(volume.mountpoint).parent)

    def keep() -> None:
        nonlocal is_kept
        is_kept = True

    with engine:
        with _root_as_it_was(Path(volume.mountpoint)):
            _make(engine, volume)
        try:
            yield keep
        finally:
            if not is_kept:
                engine.remove_volume(volume)


def _may_exist(directory: Path) -> bool:
    try:
        return directory.exists()
    except PermissionError:  # what this user cannot see may hold somebody's data
        return True


@contextmanager
def _root_as_it_was(directory: Path) -> Iterator[None]:
    """The engine takes a directory that it finds for the volume's, and gives it to root."""
    before = None
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        before = directory.stat()
    yield
    if before is not None:
        os.chown(directory, before.st_uid, before.st_gid)
        directory.chmod(before.st_mode & 0o7777)


def recorded_volume(objects: SetObjects, volume: VolumeObjects) -> EngineVolume | None:
    """What the set says that it was made with; damaged facts show where they are compared."""
    try:
        with open_facts(objects, volume) as (header, _):
            return header.docker
    except (IntegrityError, NotFoundError):
        return None


def _make(engine: DockerEngine, volume: EngineVolume) -> None:
    try:
        made = engine.create_volume(volume)
    except SourceError as error:
        raise RestoreError(
            f"The volume {volume.name!r}, {volume.described()}, could not be made: {error.what}",
            remedy="Make it with `docker volume create`, or restore it elsewhere (--into).",
        ) from None
    if _resolved(Path(made.mountpoint)) != _resolved(Path(volume.mountpoint)):
        raise RestoreError(
            f"The engine has made the volume {volume.name!r} elsewhere, at {made.mountpoint}.",
            remedy="Correct ONYX_VOLUMES.",
        )


@dataclass(frozen=True)
class RestoreTarget:
    """One volume and its directory, links in whose path are resolved.

    `configured_as`: the volume that the settings have there, whose containers then matter.
    `missing`: to be made there first. `is_recipe`: what the stack was made from, in a directory of
    this program's own.
    """

    volume: VolumeObjects
    directory: Path
    configured_as: str | None
    missing: EngineVolume | None = None
    is_recipe: bool = False


def targets_of(
    objects: SetObjects, choice: RestoreChoice, settings: Settings
) -> list[RestoreTarget]:
    """Where each chosen volume goes.

    Raises:
        NotFoundError: the set has no volume of that name, or none at all.
        SettingsError: a volume has no place on this host, or two have the same.
        RestoreError: a place is one that must not be replaced.
        SourceError: the Docker engine does not answer.
    """
    volumes = volumes_of(objects)
    chosen = chosen_of(volumes, choice.volumes, "volume")
    if not volumes:
        raise NotFoundError(
            "The backup set has no volumes.", remedy="`onyx catalog list` shows other sets."
        )
    if choice.paths and len(chosen) != 1:
        raise SettingsError(
            "Paths are relative to one volume, and more than one is to be restored.",
            remedy="Name exactly one volume together with its paths.",
        )
    locator = Locator.of(settings)
    originals = {name: locator.directory_of(path) for name, path in settings.volume_paths.items()}
    targets = [
        _original(volume, objects, settings, locator)
        if not choice.into
        else _elsewhere(volume, choice, locator, originals)
        for volume in chosen
    ]
    if len({target.directory for target in targets}) != len(targets):
        raise SettingsError(
            "Two volumes would be restored into the same directory.",
            remedy="Correct ONYX_VOLUMES, or name another target.",
        )
    for target in targets:
        if not target.is_recipe:
            _refuse_what_holds_more(target, settings, originals)
    return targets


def _original(
    volume: VolumeObjects, objects: SetObjects, settings: VolumeSettings, locator: Locator
) -> RestoreTarget:
    if volume.name == RECIPE:
        # Not over what is there: a person looks at it, and takes what is needed.
        folder = settings.state_dir / "restored-recipe" / objects.manifest.backup_id
        return RestoreTarget(volume, _resolved(folder), None, is_recipe=True)
    if volume.name not in settings.volumes:
        raise SettingsError(
            f"The settings of this host do not say where the volume {volume.name!r} is.",
            remedy="Add it to ONYX_VOLUMES, or name a target directory.",
        )
    recorded = recorded_volume(objects, volume)
    place = locator.place_of(settings.volumes[volume.name].path, recorded)
    return RestoreTarget(volume, place.directory, volume.name, place.missing)


def _elsewhere(
    volume: VolumeObjects,
    choice: RestoreChoice,
    locator: Locator,
    originals: dict[str, Path],
) -> RestoreTarget:
    if "://" in choice.into:
        raise not_a_place(choice.into, "a directory")
    target = Path(choice.into).absolute()
    if len(choice.volumes) != 1:
        if volume.name in ("", ".", "..") or "/" in volume.name or "\0" in volume.name:
            raise SettingsError(
                f"The volume's name {volume.name!r} cannot be that of a directory.",
                remedy="Restore it alone, with its own target directory.",
            )
        target = target / volume.name
    directory = locator.place_of(_resolved(target), None).directory
    configured = (name for name, path in originals.items() if path == directory)
    return RestoreTarget(volume, directory, next(configured, None))


def _refuse_what_holds_more(
    target: RestoreTarget, settings: Settings, originals: dict[str, Path]
) -> None:
    """Replacing a directory above one of these would take it along."""
    stores = {each.name: each.directory for each in settings.places if each.directory}
    precious = {
        **{f"the {name} store": directory for name, directory in stores.items()},
        "the state directory": settings.state_dir,
        "the private key": settings.private_key_file,
        "the list of recipients": settings.recipients_file,
        "the signing key": settings.signing_key_path,
        "the list of signers": settings.signers_path,
    }
    held = {
        what: resolved
        for what, path in precious.items()
        if path is not None and (resolved := _resolved(path)).is_relative_to(target.directory)
    }
    held |= {
        f"the volume {name}": path
        for name, path in originals.items()
        if path != target.directory and path.is_relative_to(target.directory)
    }
    for what, path in held.items():
        raise RestoreError(
            f"A volume cannot be restored to {target.directory}, which holds {what} ({path}).",
            remedy="Name a directory of its own.",
        )
    for what, folder in (
        *((f"{name} store", directory) for name, directory in stores.items()),
        ("state directory", settings.state_dir),
    ):
        if target.directory.is_relative_to(_resolved(folder)):
            raise RestoreError(
                f"A volume cannot be restored into the {what}, {folder}.",
                remedy="Name a directory outside of it.",
            )


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))
