"""What an archive of a volume holds, entry by entry: the facts that a restore is compared with.

One JSON object a line: a header, one entry per path in the archive's order, an end with counts (so
that a cut file is noticed). Text that is not UTF-8 stands under `<field>_base64` instead.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from onyx_pipelines.archive.headers import EntryType
from onyx_pipelines.core.errors import IntegrityError
from onyx_pipelines.sources.volumes.engine_volume import EngineVolume

FORMAT: Final = "onyx-volume-facts"
FORMAT_VERSION: Final = 1


class EntryStatus(StrEnum):
    """How far the archive has what the volume had."""

    OK = "ok"
    # Archived, but it changed meanwhile: two states may be mixed, or zeros fill up its end.
    CHANGED = "changed"
    # Listed, then gone (or replaced by something else) before it could be read.
    VANISHED = "vanished"
    # It or a part of it could not be read, and `error` says why. If it is `archived` all the same,
    # zeros stand for that part.
    UNREADABLE = "unreadable"
    # Left out on purpose: a socket, or the contents of a pseudo file system.
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Entry:
    """One path, relative to the volume's root (`.` is the root itself).

    `size_bytes` and `sha256` (hex) are of a file's content as the archive has it, holes as zeros;
    `hard_link_to` is an earlier path with the same inode. `mode` has the permission bits with
    setuid, setgid and sticky. `xattrs` maps an attribute's name to the SHA-256 of its value.
    """

    path: bytes
    type: EntryType
    status: EntryStatus = EntryStatus.OK
    archived: bool = True
    size_bytes: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime_ns: int | None = None
    sha256: str | None = None
    link_target: bytes | None = None
    hard_link_to: bytes | None = None
    device: tuple[int, int] | None = None
    xattrs: Mapping[str, str] = field(default_factory=dict)
    acl_access: str | None = None
    acl_default: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class FactsHeader:
    """`docker`: with what a Docker engine had made the volume; None: none knew it."""

    volume: str
    archive: str
    excludes: tuple[str, ...]
    docker: EngineVolume | None = None


@dataclass(frozen=True)
class Counts:
    """Totals of one volume. `files` counts paths of regular files, each hard link too;
    `file_bytes` their contents, each inode once; `excluded` matched paths, a directory as one."""

    entries: int = 0
    files: int = 0
    file_bytes: int = 0
    directories: int = 0
    changed: int = 0
    vanished: int = 0
    unreadable: int = 0
    skipped: int = 0
    excluded: int = 0


def header_line(header: FactsHeader) -> bytes:
    values: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "volume": header.volume,
        "archive": header.archive,
        "excludes": list(header.excludes),
    }
    if header.docker is not None:
        made = header.docker
        values["docker"] = {
            "name": made.name,
            "driver": made.driver,
            "options": dict(made.options),
            "labels": dict(made.labels),
        }
    return _line(values)


def entry_line(entry: Entry) -> bytes:
    values: dict[str, Any] = {}
    _put_bytes(values, "path", entry.path)
    values["type"] = entry.type
    values["status"] = entry.status
    if not entry.archived:
        values["archived"] = False
    if entry.mode is not None:
        values["mode"] = f"{entry.mode:04o}"
    for name in _PLAIN_FIELDS:
        if (value := getattr(entry, name)) is not None:
            values[name] = value
    for name in ("link_target", "hard_link_to"):
        if (raw := getattr(entry, name)) is not None:
            _put_bytes(values, name, raw)
    if entry.xattrs:
        values["xattrs"] = {_text_key(key): digest for key, digest in entry.xattrs.items()}
    return _line(values)


def end_line(counts: Counts) -> bytes:
    return _line({"end": {name: getattr(counts, name) for name in Counts.__dataclass_fields__}})


def read_facts(lines: Iterable[bytes]) -> tuple[FactsHeader, Iterator[Entry]]:
    """Read them back, with constant memory.

    Raises:
        IntegrityError: not such a file, of a newer version, or (from the iterator, at its end) cut
            short. So compare nothing for good before the iterator has ended.
    """
    rest = iter(lines)
    first = _parse(next(rest, b""))
    if first.get("format") != FORMAT:
        raise _damaged("does not begin with its header")
    if first.get("format_version") != FORMAT_VERSION:
        raise IntegrityError(
            f"The volume facts have format version {first.get('format_version')}.",
            remedy=f"This software reads version {FORMAT_VERSION}; install a newer one.",
        )
    header = FactsHeader(
        first["volume"], first["archive"], tuple(first["excludes"]), _docker(first.get("docker"))
    )
    return header, _entries(rest)


_PLAIN_FIELDS: Final = (
    "size_bytes",
    "uid",
    "gid",
    "mtime_ns",
    "sha256",
    "device",
    "acl_access",
    "acl_default",
    "error",
)


def _docker(values: Any) -> EngineVolume | None:
    if values is None:
        return None
    try:
        return EngineVolume(
            name=values["name"],
            driver=values["driver"],
            options=dict(values["options"]),
            labels=dict(values["labels"]),
        )
    except (KeyError, TypeError, ValueError):
        raise _damaged("describes a Docker volume in a way that cannot be read") from None


def _entries(lines: Iterator[bytes]) -> Iterator[Entry]:
    count = 0
    for line in lines:
        values = _parse(line)
        if "end" in values:
            if values["end"].get("entries") != count:
                raise _damaged(f"has {count} entries where its end says otherwise")
            if next(lines, None) is not None:
                raise _damaged("goes on after its end")
            return
        count += 1
        yield _entry(values)
    raise _damaged(f"is cut after {count} entries")


def _entry(values: dict[str, Any]) -> Entry:
    try:
        device = values.get("device")
        return Entry(
            path=_take_bytes(values, "path") or b"",
            type=EntryType(values["type"]),
            status=EntryStatus(values["status"]),
            archived=values.get("archived", True),
            mode=int(values["mode"], 8) if "mode" in values else None,
            link_target=_take_bytes(values, "link_target"),
            hard_link_to=_take_bytes(values, "hard_link_to"),
            device=None if device is None else (device[0], device[1]),
            xattrs={_key_text(key): digest for key, digest in values.get("xattrs", {}).items()},
            **{name: values.get(name) for name in _PLAIN_FIELDS if name != "device"},
        )
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise _damaged(f"has an entry that cannot be read ({type(error).__name__})") from None


def _parse(line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError:
        raise _damaged("has a line that is not JSON") from None
    if not isinstance(values, dict):
        raise _damaged("has a line that is not an object")
    return values


def _damaged(how: str) -> IntegrityError:
    return IntegrityError(
        f"The file of volume facts {how}.",
        remedy="Verify the backup set, and use its other copy or another set.",
    )


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def _put_bytes(values: dict[str, Any], name: str, raw: bytes) -> None:
    try:
        values[name] = raw.decode()
    except UnicodeDecodeError:
        values[f"{name}_base64"] = base64.b64encode(raw).decode()


def _take_bytes(values: Mapping[str, Any], name: str) -> bytes | None:
    if name in values:
        text: str = values[name]
        return text.encode()
    encoded = values.get(f"{name}_base64")
    return None if encoded is None else base64.b64decode(encoded, validate=True)


def _text_key(attribute: str) -> str:
    """Attribute names begin with a name space and a dot, so `base64:` cannot be one's own."""
    raw = os.fsencode(attribute)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(raw).decode()}"


def _key_text(key: str) -> str:
    if key.startswith("base64:"):
        return os.fsdecode(base64.b64decode(key.removeprefix("base64:"), validate=True))
    return os.fsdecode(key.encode())
