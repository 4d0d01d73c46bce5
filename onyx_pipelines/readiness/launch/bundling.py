"""Makes an evidence bundle of this host's launch, and judges one where it was brought."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from onyx_pipelines import __version__
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.settings.part import variable
from onyx_pipelines.host.durable_files import create_durably
from onyx_pipelines.readiness.launch.bundle import Bundle, Content, make_bundle, open_bundle
from onyx_pipelines.readiness.launch.bundle_archive import (
    LARGEST_BYTES,
    LaunchBundleError,
    refused,
)
from onyx_pipelines.readiness.launch.evidence import EvidenceFolder
from onyx_pipelines.readiness.launch.leads import known_leads
from onyx_pipelines.readiness.launch.standing import Launch
from onyx_pipelines.vault.trust import Trust

# Shorter ones are words, which may stand anywhere.
_SHORTEST_SECRET: Final = 6


def bundle_of(settings: Settings, launch: Launch) -> bytes:
    """The file, signed with the host's key.

    Raises:
        LaunchBundleError: evidence has changed since it was looked at, the whole is too large, or a
            secret of the settings would be in it.
        KeyFileError: this host has no key whose signatures count.
    """
    content = Content(
        launch.asked,
        launch.review,
        launch.counted,
        known_leads(settings),
        dict(_evidence(settings, launch)),
    )
    data = make_bundle(
        content,
        Trust.of(settings).signing_key(),
        host=settings.host,
        versions={"onyx-pipelines": __version__, "python": platform.python_version()},
        thresholds=settings.alert_thresholds,
    )
    for name, secret in _secrets(settings):
        if secret.encode() in data or json.dumps(secret)[1:-1].encode() in data:
            raise LaunchBundleError(
                f"The secret {variable(name)} would be in the bundle.",
                remedy="Find it in what was shown as evidence, and show a copy without it.",
            )
    return data


def write_bundle(path: Path, data: bytes) -> str:
    """A new file; gives its SHA-256. Raises LaunchBundleError: it exists, or nothing can be written
    there."""
    try:
        create_durably(path, data, mode=0o644)
    except FileExistsError:
        raise LaunchBundleError(
            f"{path} exists; a bundle is never overwritten.", remedy="Choose another name."
        ) from None
    except OSError as error:
        raise LaunchBundleError(
            f"{path} cannot be written ({error.strerror}).",
            remedy="Choose a directory that this user can write to.",
        ) from None
    return hashlib.sha256(data).hexdigest()


def read_bundle(path: Path) -> Bundle:
    """What a file says.

    Raises:
        LaunchBundleError: it cannot be read, or is no bundle.
    """
    try:
        # Non-blocking, so that a named pipe does not hang us.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise refused("is no regular file")
            data = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", "") or "no path"
        raise LaunchBundleError(
            f"{path} cannot be read ({why}).",
            remedy="Name the file that `onyx launch bundle` wrote, readable for this user.",
        ) from None
    return open_bundle(data)


def _evidence(settings: Settings, launch: Launch) -> Iterator[tuple[str, bytes]]:
    """The files that people have shown and that are still what they were."""
    folder = EvidenceFolder(settings)
    for item in launch.asked.items:
        seen = launch.review.result(item).evidence
        wanted = seen.get("sha256")
        if item.is_automatic or not wanted or wanted != seen.get("sha256_now"):
            continue
        shown = folder.of(item)
        content = _content(shown.file) if shown and shown.file else b""
        if hashlib.sha256(content).hexdigest() != wanted:
            raise LaunchBundleError(
                f"The file that was shown for {item.id} is not what it was a moment ago.",
                remedy="Look at the checklist again, then bundle.",
            )
        yield item.id, content


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise LaunchBundleError(
            f"{path} cannot be read ({error.strerror}).",
            remedy="Run as a user that can read what was shown as evidence.",
        ) from None
    if len(content) > LARGEST_BYTES:
        raise LaunchBundleError(
            f"{path} is too large for a bundle.",
            remedy="Show a smaller file: a report instead of its raw data.",
        )
    return content


def _secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, value in settings:
        if isinstance(value, SecretStr) and len(value.get_secret_value()) >= _SHORTEST_SECRET:
            yield name, value.get_secret_value()
