"""How one file on disk differs from its entry in the facts. Pure."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from onyx_pipelines.archive.attributes import LIST_COPIES
from onyx_pipelines.core.text import utc_second
from onyx_pipelines.restore.volumes.metadata import Limit
from onyx_pipelines.restore.volumes.volume_findings import shown
from onyx_pipelines.sources.volumes.facts import Entry

# What security modules, the kernel's integrity measures and file systems (NFS's lists, what Btrfs
# is to compress) give to a file by themselves.
_OF_THE_HOST = (
    *("security.selinux", "security.SMACK", "security.apparmor"),
    *("security.ima", "security.evm"),
    *("system.nfs4_acl", "system.cifs_acl", "btrfs."),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Difference:
    """`limit`: it is one that this host explains, so it says nothing of the backup."""

    aspect: str
    expected: str
    found: str
    limit: Limit | None = None


def differences(expected: Entry, found: Entry, limits: AbstractSet[Limit]) -> Iterator[Difference]:
    """`found` is what the disk has, described as the archiver would; hard links apart.

    `limits` are those that were met when the tree was extracted.
    """
    if found.type is not expected.type:
        yield Difference("type", _words(expected.type), _words(found.type))
        return
    if expected.size_bytes != found.size_bytes:
        yield Difference("size", f"{expected.size_bytes} bytes", f"{found.size_bytes} bytes")
    elif expected.sha256 != found.sha256:
        yield Difference("content", f"SHA-256 {expected.sha256}", f"SHA-256 {found.sha256}")
    if expected.link_target != found.link_target:
        yield Difference(
            "link target", shown(expected.link_target or b""), shown(found.link_target or b"")
        )
    if expected.device != found.device:
        yield Difference("device", str(expected.device), str(found.device))
    if expected.mode != found.mode:
        yield _mode(expected, found, limits)
    if (expected.uid, expected.gid) != (found.uid, found.gid):
        yield Difference(
            "owner",
            f"{expected.uid}:{expected.gid}",
            f"{found.uid}:{found.gid}",
            _if_met(Limit.OWNERS, limits),
        )
    if expected.mtime_ns != found.mtime_ns:
        times = time_text(expected.mtime_ns), time_text(found.mtime_ns)
        yield Difference("time", *times, _if_met(Limit.TIMES, limits))
    yield from _lists(expected, found, limits)
    yield from _attributes(expected.xattrs, found.xattrs, limits)


def time_text(time_ns: int | None) -> str:
    """`2026-03-01 02:00:00.000000001 UTC`; the bare number where no calendar reaches."""
    if time_ns is None:
        return "none"
    seconds, fraction_ns = divmod(time_ns, 1_000_000_000)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return f"{time_ns} ns since 1970"
    return f"{utc_second(moment)}.{fraction_ns:09d} UTC"


def _mode(expected: Entry, found: Entry, limits: AbstractSet[Limit]) -> Difference:
    # Without its owner or group a file does not get these; and the kernel takes setgid away from
    # one of a group that its owner is no member of.
    lost = (expected.mode or 0) ^ (found.mode or 0)
    explained = stat.S_ISGID | (stat.S_ISUID if expected.uid != found.uid else 0)
    is_explained = found.mode is not None and lost & (expected.mode or 0) & explained == lost
    return Difference(
        "mode",
        "none" if expected.mode is None else f"{expected.mode:04o}",
        "none" if found.mode is None else f"{found.mode:04o}",
        _if_met(Limit.OWNERS, limits) if is_explained else None,
    )


def _lists(expected: Entry, found: Entry, limits: AbstractSet[Limit]) -> Iterator[Difference]:
    for aspect, wanted, there in (
        ("access control list", expected.acl_access, found.acl_access),
        ("default access control list", expected.acl_default, found.acl_default),
    ):
        if wanted != there:
            limit = _if_met(Limit.ACCESS_LISTS, limits) if there is None else None
            yield Difference(aspect, wanted or "none", there or "none", limit)


def _attributes(
    expected: Mapping[str, str], found: Mapping[str, str], limits: AbstractSet[Limit]
) -> Iterator[Difference]:
    for name, digest in expected.items():
        if name not in LIST_COPIES and found.get(name) != digest:
            yield Difference(
                f"extended attribute {shown(name.encode('utf-8', 'surrogateescape'))}",
                f"SHA-256 {digest}",
                f"SHA-256 {found[name]}" if name in found else "none",
                _if_met(Limit.ATTRIBUTES, limits) if name not in found else None,
            )
    for name in found.keys() - expected.keys():
        if not name.startswith(_OF_THE_HOST):
            yield Difference(
                f"extended attribute {shown(name.encode('utf-8', 'surrogateescape'))}",
                "none",
                f"SHA-256 {found[name]}",
            )


def _if_met(limit: Limit, limits: AbstractSet[Limit]) -> Limit | None:
    return limit if limit in limits else None


def _words(kind: str) -> str:
    return kind.replace("_", " ")
