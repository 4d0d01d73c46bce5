"""What is asked of a real restore of volumes, and where each volume then goes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from onyx_pipelines.errors import NotFoundError, RestoreError, SettingsError
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.volumes.locating import Locator, recorded_volume
from onyx_pipelines.restore.volumes.volume_objects import VolumeObjects, volumes_of
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.volumes.engine_volume import EngineVolume
from onyx_pipelines.sources.volumes.recipe import RECIPE


@dataclass(frozen=True)
class VolumesRestoreRequest:
    """Which volumes, or which part of one, and where to.

    Args:
        volumes: names; none: every volume of the set.
        target: None: where the settings have each volume. Otherwise the directory itself if
            exactly one volume is named, else the parent of one directory per volume.
        paths: only these files and subtrees, relative to the root of the one volume named.
        replace: whether what the target holds may be replaced; otherwise the restore refuses.
        make_devices: device nodes are restored too (by root); otherwise they are left out.
    """

    volumes: tuple[str, ...] = ()
    target: Path | None = None
    paths: tuple[str, ...] = ()
    replace: bool = False
    make_devices: bool = False


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
    request: VolumesRestoreRequest, objects: SetObjects, settings: Settings
) -> list[RestoreTarget]:
    """Where each chosen volume goes.

    Raises:
        NotFoundError: the set has no volume of that name, or none at all.
        SettingsError: a volume has no place on this host, or two have the same.
        RestoreError: a place is one that must not be replaced.
        SourceError: the Docker engine does not answer.
    """
    chosen = _chosen(request, volumes_of(objects))
    if request.paths and len(chosen) != 1:
        raise SettingsError(
            "Paths are relative to one volume, and more than one is to be restored.",
            remedy="Name exactly one volume together with its paths.",
        )
    locator = Locator.of(settings)
    originals = {name: locator.directory_of(path) for name, path in settings.volumes.items()}
    targets = [
        _original(volume, objects, settings, locator)
        if request.target is None
        else _elsewhere(volume, request, request.target, locator, originals)
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


def _chosen(request: VolumesRestoreRequest, volumes: list[VolumeObjects]) -> list[VolumeObjects]:
    by_name = {volume.name: volume for volume in volumes}
    for name in request.volumes:
        if name not in by_name:
            raise NotFoundError(
                f"The backup set has no volume {name!r}.",
                remedy=f"It has: {', '.join(sorted(by_name)) or 'none'}.",
            )
    if not volumes:
        raise NotFoundError(
            "The backup set has no volumes.", remedy="`onyx catalog list` shows other sets."
        )
    return [by_name[name] for name in dict.fromkeys(request.volumes)] or volumes


def _original(
    volume: VolumeObjects, objects: SetObjects, settings: Settings, locator: Locator
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
    place = locator.place_of(settings.volumes[volume.name], recorded)
    return RestoreTarget(volume, place.directory, volume.name, place.missing)


def _elsewhere(
    volume: VolumeObjects,
    request: VolumesRestoreRequest,
    target: Path,
    locator: Locator,
    originals: dict[str, Path],
) -> RestoreTarget:
    if len(request.volumes) != 1:
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
    precious = {
        "the local store": settings.backup_dir,
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
        ("local store", settings.backup_dir),
        ("state directory", settings.state_dir),
    ):
        if target.directory.is_relative_to(_resolved(folder)):
            raise RestoreError(
                f"A volume cannot be restored into the {what}, {folder}.",
                remedy="Name a directory outside of it.",
            )


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))
