"""An archive made to do harm is refused, and nothing outside of its directory is touched."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from onyx_pipelines.archive import headers
from onyx_pipelines.archive.headers import pax_block
from onyx_pipelines.core.errors import IntegrityError, RestoreError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.volumes.metadata import Limit
from onyx_pipelines_tests.restore.volumes.crafted_tar import extract, folder, member, tar_of
from onyx_pipelines_tests.restore.volumes.volume_sets import Vault, drilled, failed
from onyx_pipelines_tests.sources.volumes.trees import archive, tree_of

_SPARSE = (
    (b"GNU.sparse.major", b"1"),
    (b"GNU.sparse.minor", b"0"),
    (b"GNU.sparse.name", b"./sparse"),
)


def _sparse(table: bytes, data: bytes, real_size: bytes) -> bytes:
    block = table.ljust(512, b"\0")
    records = (*_SPARSE, (b"GNU.sparse.realsize", real_size))
    return member(b"./GNUSparseFile.0/sparse", content=block + data, records=records)


_REFUSED = {
    "an absolute path": (tar_of(member(b"/etc/onyx", content=b"x")), "the absolute path"),
    "a path out of the root": (tar_of(member(b"./../outside")), "no file of a volume"),
    "a path out in its middle": (
        tar_of(folder(b"./a/"), member(b"./a/../../outside")), "no file of a volume"),
    "a path that is not relative": (tar_of(member(b"outside")), "not relative"),
    "an empty name": (tar_of(member(b"./a//b")), "no file of a volume"),
    "a name with a zero byte": (
        tar_of(member(b"./a", records=((b"path", b"./a\0b"),))), "no file of a volume"),
    "a name longer than any": (tar_of(member(b"./" + b"n" * 4096)), "no file of a volume"),
    "a file as the root": (member(b"./"), "something of another type"),
    "no root": (folder(b"./a/"), "does not begin with the volume's root"),
    "a second root": (tar_of(folder(b"./")), "twice or out of order"),
    "a file through a link": (
        tar_of(member(b"./l", headers.SYMLINK, link=b"../outside"), member(b"./l/x")),
        "without its directory"),
    "a folder over a link": (
        tar_of(member(b"./l", headers.SYMLINK, link=b"../outside"), folder(b"./l/")),
        "twice or out of order"),
    "a file over a link": (
        tar_of(member(b"./l", headers.SYMLINK, link=b"../outside/x"), member(b"./l")),
        "twice or out of order"),
    "a file over a file": (
        tar_of(member(b"./a", content=b"1"), member(b"./a", content=b"2")),
        "twice or out of order"),
    "a file before its time": (tar_of(member(b"./b"), member(b"./a")), "twice or out of order"),
    "a file in a folder that is a file": (
        tar_of(member(b"./a"), member(b"./a/b")), "without its directory"),
    "a file in no folder": (tar_of(member(b"./a/b")), "without its directory"),
    "a hard link out": (
        tar_of(member(b"./l", headers.HARD_LINK, link=b"./../outside/secret")),
        "no file of a volume"),
    "an absolute hard link": (
        tar_of(member(b"./l", headers.HARD_LINK, link=b"/etc/passwd")), "the absolute path"),
    "a hard link through a link": (
        tar_of(
            member(b"./a", headers.SYMLINK, link=b"../outside"),
            member(b"./l", headers.HARD_LINK, link=b"./a/secret")),
        "a file that it does not have"),
    "a hard link to a directory": (
        tar_of(
            member(b"./a/", headers.DIRECTORY),
            member(b"./l", headers.HARD_LINK, link=b"./a")),
        "a file that it does not have"),
    "a hard link to nothing": (
        tar_of(member(b"./l", headers.HARD_LINK, link=b"./a")), "a file that it does not have"),
    "a hard link to what comes later": (
        tar_of(member(b"./l", headers.HARD_LINK, link=b"./z")), "does not come before it"),
    "a hard link to itself": (
        tar_of(member(b"./l", headers.HARD_LINK, link=b"./l")), "does not come before it"),
    "a link to nowhere": (
        tar_of(member(b"./l", headers.SYMLINK, link=b"")), "without a target"),
    "more bytes than there are": (
        tar_of(member(b"./a", size_bytes=1 << 33)), "claims 8589934592 bytes"),
    "more bytes than a file can have": (
        tar_of(member(b"./a", records=((b"size", b"9" * 18),))), "a size that is no number"),
    "a negative size": (
        tar_of(member(b"./a", records=((b"size", b"-512"),))), "a size that is no number"),
    "a folder with content": (
        tar_of(member(b"./a/", headers.DIRECTORY, size_bytes=512)), "claims 512 bytes"),
    "a pax header of an absurd size": (
        tar_of(member(b"pax", b"x", size_bytes=1 << 30)), "a pax header of an absurd size"),
    "a pax header after another": (
        tar_of(pax_block([(b"uid", b"1")]), pax_block([(b"uid", b"2")]), member(b"./a")),
        "belongs to no member"),
    "a pax header at the end": (
        tar_of(pax_block([(b"uid", b"1")])), "belongs to no member"),
    "a pax header for all members": (
        tar_of(member(b"pax", b"g")), "unknown type b'g'"),
    "GNU's long name": (tar_of(member(b"././@LongLink", b"L")), "unknown type b'L'"),
    "a pax record of unknown meaning": (
        tar_of(member(b"./a", records=((b"hdrcharset", b"BINARY"),))), "unknown pax record"),
    "a pax record twice": (
        tar_of(pax_block([(b"path", b"./a"), (b"path", b"./b")]), member(b"./a")), "twice"),
    "an impossible owner": (
        tar_of(member(b"./a", records=((b"uid", b"4294967295"),))), "a uid that is no number"),
    "an impossible time": (
        tar_of(member(b"./a", records=((b"mtime", b"inf"),))), "a time that is no number"),
    "a sparse file of an absurd size": (
        tar_of(_sparse(b"1\n9\n0\n", b"", b"9" * 18)), "sparse file's size"),
    "a sparse file with too many segments": (
        tar_of(_sparse(b"99999999\n", b"", b"10")), "too many segments"),
    "a sparse file whose segments overlap": (
        tar_of(_sparse(b"2\n0\n5\n4\n5\n", b"x" * 10, b"100")), "overlap or leave it"),
    "a sparse file whose segments leave it": (
        tar_of(_sparse(b"1\n95\n10\n", b"x" * 10, b"100")), "overlap or leave it"),
    "a sparse file with less data than its table says": (
        tar_of(_sparse(b"1\n0\n20\n", b"x" * 10, b"100")), "another length"),
    "a sparse file without an end of its table": (
        tar_of(_sparse(b"1\n0\n", b"", b"100")), "sparse file"),
    "a sparse file of another version": (
        tar_of(member(b"./a", records=(*_SPARSE[1:], (b"GNU.sparse.realsize", b"1")))),
        "a sparse member of an unknown kind"),
    "something after its end": (tar_of(member(b"./a")) + bytes(512), "goes on after its end"),
    "no end": (tar_of(member(b"./a"))[:-512], "before it should"),
    "no end of a member": (
        tar_of(member(b"./a", content=b"x" * 600))[:-1600], "which it cannot have"),
    "half a header": (folder(b"./") + b"garbage".ljust(512, b"\0"), "checksum"),
    "nothing at all": (bytes(1024), "is empty"),
    "an attribute without a name": (
        tar_of(member(b"./a", records=((b"SCHILY.xattr.", b"x"),))), "without a possible name"),
    "an access list that is none": (
        tar_of(member(b"./a", records=((b"SCHILY.acl.access", b"user::rwz"),))),
        "access control list"),
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(_REFUSED))
def test_a_member_that_no_volume_has_is_refused(what: str, tmp_path: Path) -> None:
    tar, reason = _REFUSED[what]
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"untouched")
    before = tree_of(outside)

    with pytest.raises(IntegrityError, match=re.escape(reason)):
        extract(tar, tmp_path / "root")

    assert tree_of(outside) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "root"]
    assert outside.joinpath("secret").stat().st_nlink == 1


def test_device_nodes_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    tar = tar_of(
        member(b"./disk", headers.BLOCK_DEVICE, device=(8, 0), mode=0o666),
        member(b"./second name", headers.HARD_LINK, link=b"./disk"),
    )

    limits = extract(tar, tmp_path / "root")

    assert list((tmp_path / "root").iterdir()) == []
    assert Limit.DEVICES in limits


def test_a_link_out_of_the_volume_is_restored_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"")
    (tmp_path / "outside").chmod(0o600)
    tar = tar_of(
        member(b"./link", headers.SYMLINK, link=b"../outside", mode=0o777),
        member(b"./second name", headers.HARD_LINK, link=b"./link"),
    )

    extract(tar, tmp_path / "root")

    for name in ("link", "second name"):
        assert os.readlink(tmp_path / "root" / name) == "../outside"  # noqa: PTH115  (Path would normalise it)
    assert (tmp_path / "outside").stat().st_mode & 0o7777 == 0o600
    assert (tmp_path / "outside").stat().st_nlink == 1


def test_a_directory_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "mine").touch()

    with pytest.raises(RestoreError, match="empty directories only"):
        extract(tar_of(member(b"./a")), tmp_path / "root")

    assert [path.name for path in (tmp_path / "root").iterdir()] == ["mine"]


def test_a_drill_of_such_an_archive_fails_and_says_why(
    vault: Vault, volume: Path, tmp_path: Path
) -> None:
    tar = tar_of(member(b"./../../outside", content=b"x"))

    result = drilled(
        vault.seal({"volumes/v.tar": tar, "facts/volumes/v.jsonl": archive(volume).facts}), tmp_path
    )

    assert result.verdict is Verdict.FAILED
    assert [(finding.item, finding.aspect) for finding in failed(result)] == [("v", "archive")]
    assert "'./../../outside'" in failed(result)[0].message
    assert not (tmp_path / "outside").exists()
