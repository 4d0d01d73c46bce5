"""Planted damage is damage."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines_tests.planting import flip_a_byte, flipped, plant, planted, replaced


@given(data=st.binary(min_size=1), place=st.data())
def test_a_flip_changes_one_byte_whatever_was_there(data: bytes, place: st.DataObject) -> None:
    changed = flipped(data, place.draw(st.integers(-len(data), len(data) - 1)))

    assert len(changed) == len(data)
    assert sum(one != other for one, other in zip(data, changed, strict=True)) == 1


def test_a_file_of_the_byte_that_would_be_written_is_changed_too(tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(bytes(3))

    flip_a_byte(tmp_path / "zeros", -1)

    assert (tmp_path / "zeros").read_bytes() == b"\0\0\1"


def test_a_change_that_changes_nothing_fails_the_test_that_plants_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"version 2")

    with pytest.raises(AssertionError, match="changes nothing"):
        plant(tmp_path / "file", replaced(b"version 1", b"version 2"))
    with pytest.raises(AssertionError, match="changes nothing"):
        planted(b"\0", lambda data: data[:-1] + b"\0")
