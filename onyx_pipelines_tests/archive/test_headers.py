"""Headers say what they were given, as Python's tarfile reads them, up to numbers of any size."""

from __future__ import annotations

import io
import tarfile

from hypothesis import example, given, settings
from hypothesis import strategies as st

from onyx_pipelines.archive.data_map import DataMap, parse_table, segments_of_table
from onyx_pipelines.archive.headers import (
    BLOCK_BYTES,
    CHARACTER_DEVICE,
    END_OF_ARCHIVE,
    MAX_FILE_BYTES,
    REGULAR,
    SYMLINK,
    Header,
    decimal_seconds,
    decode_header,
    encode_header,
    padding,
    parse_pax,
    parse_seconds,
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


def _blocks(data: bytes) -> list[bytes]:
    return [data[start : start + BLOCK_BYTES] for start in range(0, len(data), BLOCK_BYTES)]


@settings(deadline=None, max_examples=150)
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
    read = _read(encode_header(Header(path, SYMLINK, mode, uid, gid, mtime_ns, link=link)))

    assert read.name.encode("utf-8", "surrogateescape") == path
    assert read.linkname.encode("utf-8", "surrogateescape") == link
    assert (read.mode, read.uid, read.gid) == (mode, uid, gid)
    assert abs(read.mtime - mtime_ns / 1e9) < 1e-6
    assert read.issym()


@settings(deadline=None, max_examples=100)
@given(
    st.builds(
        Header,
        path=_paths,
        type=st.sampled_from([REGULAR, SYMLINK, CHARACTER_DEVICE]),
        mode=st.integers(0, 0o7777),
        uid=_ids,
        gid=_ids,
        mtime_ns=st.integers(-(10**20), 10**20),
        size_bytes=st.one_of(st.integers(0, MAX_FILE_BYTES), st.integers(8**11 - 2, 8**11 + 2)),
        link=_paths,
        device=st.tuples(st.integers(0, 0o7777777), st.integers(0, 0o7777777)),
        records=st.dictionaries(
            st.binary(min_size=1, max_size=20).map(lambda key: b"X." + key.replace(b"=", b"%3D")),
            st.binary(max_size=300),
        ),
    )
)
def test_any_header_is_decoded_to_what_it_was_encoded_from(header: Header) -> None:
    *extended, block = _blocks(encode_header(header))
    records = {}
    if extended:
        length = decode_header(extended[0]).size_bytes
        records = parse_pax(b"".join(extended[1:])[:length])

    assert decode_header(block, records) == header


@settings(deadline=None, max_examples=100)
@given(size=st.one_of(st.integers(0, 2**63 - 1), st.integers(8**11 - 2, 8**11 + 2)))
@example(size=8**11 - 1)
@example(size=8**11)
def test_any_size_is_read_as_written(size: int) -> None:
    assert _read(encode_header(Header(b"./x", REGULAR, 0, 0, 0, 0, size_bytes=size))).size == size


def test_device_numbers_are_read_as_written() -> None:
    read = _read(encode_header(Header(b"./d", CHARACTER_DEVICE, 0o600, 0, 0, 0, device=(1, 3))))

    assert read.ischr()
    assert (read.devmajor, read.devminor) == (1, 3)


def test_a_member_that_fits_ustar_costs_one_block() -> None:
    header = encode_header(Header(b"./" + b"d" * 150 + b"/" + b"n" * 100, REGULAR, 0, 0, 0, 10**9))

    assert len(header) == 512


@given(key=st.binary(min_size=1, max_size=30), value=st.binary(max_size=1200))
def test_a_pax_record_counts_its_own_length(key: bytes, value: bytes) -> None:
    record = pax_record(key, value)

    assert int(record.partition(b" ")[0]) == len(record)


@given(time_ns=st.integers(-(10**27) + 1, 10**27 - 1))
def test_times_keep_every_nanosecond(time_ns: int) -> None:
    whole, _, fraction = decimal_seconds(time_ns).decode().lstrip("-").partition(".")

    assert int(whole) * 10**9 + int(fraction.ljust(9, "0")) == abs(time_ns)
    assert parse_seconds(decimal_seconds(time_ns)) == time_ns
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
    read = segments_of_table(parse_table(_blocks(table)), 10**12, data_map.data_bytes)
    assert list(read) == list(data_map)
