"""Headers say what they were given, as Python's tarfile reads them, up to numbers of any size."""

from __future__ import annotations

import io
import tarfile

from hypothesis import example, given, settings
from hypothesis import strategies as st

from onyx_pipelines.sources.volumes.data_map import DataMap
from onyx_pipelines.sources.volumes.tar_headers import (
    CHARACTER_DEVICE,
    END_OF_ARCHIVE,
    REGULAR,
    SYMLINK,
    Member,
    decimal_seconds,
    member_header,
    padding,
    pax_record,
)

_paths = st.lists(
    st.binary(min_size=1, max_size=130).map(lambda b: b.replace(b"/", b"|").replace(b"\0", b"0")),
    min_size=1,
    max_size=4,
).map(lambda parts: b"./" + b"/".join(parts))
_ids = st.integers(0, 2**32 - 2)


def _read(header: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(header + END_OF_ARCHIVE)) as archive:
        member = archive.next()
    assert member is not None
    return member


@settings(deadline=None, max_examples=300)
@given(
    path=_paths,
    link=_paths,
    mode=st.integers(0, 0o7777),
    uid=_ids,
    gid=_ids,
    mtime_ns=st.integers(-(2**62), 2**62),
)
def test_any_symbolic_link_is_read_as_written(
    path: bytes, link: bytes, mode: int, uid: int, gid: int, mtime_ns: int
) -> None:
    read = _read(member_header(Member(path, SYMLINK, mode, uid, gid, mtime_ns, link=link)))

    assert read.name.encode("utf-8", "surrogateescape") == path
    assert read.linkname.encode("utf-8", "surrogateescape") == link
    assert (read.mode, read.uid, read.gid) == (mode, uid, gid)
    assert abs(read.mtime - mtime_ns / 1e9) < 1e-6
    assert read.issym()


@settings(deadline=None, max_examples=100)
@given(size=st.one_of(st.integers(0, 2**63 - 1), st.integers(8**11 - 2, 8**11 + 2)))
@example(size=8**11 - 1)
@example(size=8**11)
def test_any_size_is_read_as_written(size: int) -> None:
    assert _read(member_header(Member(b"./x", REGULAR, 0, 0, 0, 0, size_bytes=size))).size == size


def test_device_numbers_are_read_as_written() -> None:
    read = _read(member_header(Member(b"./d", CHARACTER_DEVICE, 0o600, 0, 0, 0, device=(1, 3))))

    assert read.ischr()
    assert (read.devmajor, read.devminor) == (1, 3)


def test_a_member_that_fits_ustar_costs_one_block() -> None:
    header = member_header(Member(b"./" + b"d" * 150 + b"/" + b"n" * 100, REGULAR, 0, 0, 0, 10**9))

    assert len(header) == 512


@given(key=st.binary(min_size=1, max_size=30), value=st.binary(max_size=1200))
def test_a_pax_record_counts_its_own_length(key: bytes, value: bytes) -> None:
    record = pax_record(key, value)

    assert int(record.partition(b" ")[0]) == len(record)


@given(time_ns=st.integers(-(2**63), 2**63))
def test_times_keep_every_nanosecond(time_ns: int) -> None:
    whole, _, fraction = decimal_seconds(time_ns).decode().lstrip("-").partition(".")

    assert int(whole) * 10**9 + int(fraction.ljust(9, "0")) == abs(time_ns)
    assert decimal_seconds(time_ns).startswith(b"-") == (time_ns < 0)


@given(size=st.integers(0, 10**12))
def test_padding_fills_the_last_block(size: int) -> None:
    assert (size + padding(size)) % 512 == 0
    assert 0 <= padding(size) < 512


def test_a_map_of_very_many_segments_stays_small_and_whole_blocks() -> None:
    data_map = DataMap(10**12)
    for number in range(50_000):
        data_map.add(number * 8192, 4096)

    table = data_map.table()

    assert len(table) % 512 == 0
    assert table.startswith(b"50001\n0\n4096\n8192\n4096\n")
    assert table.rstrip(b"\0").endswith(b"\n1000000000000\n0\n")
