"""What the stand-in packs, others unpack: Python's tarfile and GNU tar, holes included."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.sandbox.qdrant_standin.sparse_tar import add_file

BLOCK = 4096
LONG_NAME = "segments/" + "n" * 150 + "/page_0.dat"

# Per run of blocks: how many, and whether they are data; then a few bytes that fill no block.
layouts = st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=60)


def write(path: Path, layout: list[tuple[int, bool]], tail: bytes) -> bytes:
    """Make the file with its holes; gives its content."""
    content = bytearray()
    with path.open("wb") as file:
        for number, (blocks, is_data) in enumerate(layout):
            data = bytes([1 + number % 255]) * blocks * BLOCK if is_data else bytes(blocks * BLOCK)
            content += data
            file.seek(len(data), 1) if not is_data else file.write(data)
        file.write(tail)
        content += tail
        file.truncate(len(content))
    return bytes(content)


def pack(path: Path, name: str = LONG_NAME) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        add_file(archive, path, name)
        add_file(archive, path, "second")
    return output.getvalue()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(layout=layouts, tail=st.binary(max_size=5))
def test_python_unpacks_what_was_packed(
    tmp_path: Path, layout: list[tuple[int, bool]], tail: bytes
) -> None:
    content = write(tmp_path / "file", layout, tail)

    with tarfile.open(fileobj=io.BytesIO(pack(tmp_path / "file")), mode="r|") as archive:
        unpacked = {
            member.name: stream.read()
            for member in archive
            if (stream := archive.extractfile(member)) is not None
        }

    assert unpacked == {LONG_NAME: content, "second": content}


@pytest.mark.parametrize(
    ("layout", "tail"),
    [
        ([], b""),
        ([(3, True)], b"xy"),
        ([(3, False)], b""),
        ([(1, True), (2, False)], b""),
        ([(1, False), (1, True)] * 40, b"z"),
        ([(1, True), (1, False)] * 40, b""),
    ],
)
def test_gnu_tar_unpacks_it_with_its_holes(
    tmp_path: Path, layout: list[tuple[int, bool]], tail: bytes
) -> None:
    content = write(tmp_path / "file", layout, tail)
    (tmp_path / "packed.tar").write_bytes(pack(tmp_path / "file"))

    subprocess.run(
        ["tar", "-xf", "packed.tar", "second"], cwd=tmp_path, check=True, capture_output=True
    )

    assert (tmp_path / "second").read_bytes() == content
    assert (tmp_path / "second").stat().st_blocks <= (tmp_path / "file").stat().st_blocks


def test_holes_take_no_room_in_the_archive(tmp_path: Path) -> None:
    write(tmp_path / "file", [(1, True), (8192, False)], b"end")

    assert len(pack(tmp_path / "file")) < 10 * BLOCK
