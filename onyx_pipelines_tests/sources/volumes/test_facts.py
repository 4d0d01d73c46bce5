"""The facts come back as they were written, and a file that is cut or damaged is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.archive.headers import EntryType
from onyx_pipelines.core.errors import IntegrityError
from onyx_pipelines.sources.volumes.facts import (
    Counts,
    Entry,
    EntryStatus,
    FactsHeader,
    end_line,
    entry_line,
    header_line,
    read_facts,
)

_HEADER = FactsHeader("v", "volumes/v.tar", ("*.tmp",))
_numbers = st.none() | st.integers(-(2**63), 2**63)
_texts = st.none() | st.text(max_size=20)
_entries = st.builds(
    Entry,
    path=st.binary(min_size=1, max_size=40),
    type=st.sampled_from(EntryType),
    status=st.sampled_from(EntryStatus),
    archived=st.booleans(),
    size_bytes=_numbers,
    mode=st.none() | st.integers(0, 0o7777),
    uid=_numbers,
    gid=_numbers,
    mtime_ns=_numbers,
    sha256=_texts,
    link_target=st.none() | st.binary(max_size=40),
    hard_link_to=st.none() | st.binary(max_size=40),
    device=st.none() | st.tuples(st.integers(0, 4095), st.integers(0, 2**20)),
    xattrs=st.dictionaries(
        st.binary(max_size=20).map(lambda b: f"user.{b.decode('utf-8', 'surrogateescape')}"),
        st.text(max_size=8),
        max_size=3,
    ),
    acl_access=_texts,
    acl_default=_texts,
    error=_texts,
)


def _lines(entries: list[Entry]) -> list[bytes]:
    return [
        header_line(_HEADER),
        *map(entry_line, entries),
        end_line(Counts(entries=len(entries))),
    ]


@settings(deadline=None, max_examples=100)
@given(entries=st.lists(_entries, max_size=4))
def test_entries_come_back_as_they_were(entries: list[Entry]) -> None:
    header, read = read_facts(_lines(entries))

    assert (header, list(read)) == (_HEADER, entries)


@settings(deadline=None, max_examples=100)
@given(entries=st.lists(_entries, max_size=3), data=st.data())
def test_a_file_that_lacks_lines_at_its_end_is_noticed(
    entries: list[Entry], data: st.DataObject
) -> None:
    lines = _lines(entries)
    kept = data.draw(st.integers(0, len(lines) - 1))

    with pytest.raises(IntegrityError):
        list(read_facts(lines[:kept])[1])


@settings(deadline=None, max_examples=100)
@given(entries=st.lists(_entries, min_size=1, max_size=3), data=st.data())
def test_a_file_that_lacks_a_line_in_its_middle_is_noticed(
    entries: list[Entry], data: st.DataObject
) -> None:
    lines = _lines(entries)
    del lines[data.draw(st.integers(0, len(lines) - 1))]

    with pytest.raises(IntegrityError):
        list(read_facts(lines)[1])


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"[]",
        b"{}",
        b'{"path":"a","type":"pipe","status":"ok"}',
        b'{"path":"a","type":"file","status":"ok","mode":"9999"}',
        b'{"path_base64":"?","type":"file","status":"ok"}',
    ],
)
def test_a_damaged_entry_is_noticed(line: bytes) -> None:
    lines = [header_line(_HEADER), line, end_line(Counts(entries=1))]

    with pytest.raises(IntegrityError, match="volume facts"):
        list(read_facts(lines)[1])


def test_lines_after_the_end_are_noticed() -> None:
    with pytest.raises(IntegrityError, match="goes on after its end"):
        list(read_facts([*_lines([]), b"{}"])[1])


def test_a_newer_format_is_refused_by_name() -> None:
    newer = header_line(_HEADER).replace(b'"format_version":1', b'"format_version":2')

    with pytest.raises(IntegrityError, match="format version 2"):
        read_facts([newer])
