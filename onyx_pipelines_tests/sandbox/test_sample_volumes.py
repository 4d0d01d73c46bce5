"""The sample volumes are the same each time, and as large and as awkward as asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.sandbox.sample_volumes import make_file_tree, make_sample_volumes
from onyx_pipelines_tests.sources.volumes.trees import Node, tree_of

pytestmark = pytest.mark.slow


def _made(directory: Path) -> dict[str, dict[bytes, Node]]:
    volumes = make_sample_volumes(directory, size_bytes=400_000)
    return {name: tree_of(path) for name, path in volumes.items()}


def test_making_the_sample_again_changes_nothing(tmp_path: Path) -> None:
    first = _made(tmp_path)

    assert _made(tmp_path) == first


def test_the_sample_has_links_holes_and_names_that_are_not_utf8(tmp_path: Path) -> None:
    awkward = tree_of(make_sample_volumes(tmp_path, size_bytes=0)["onyx_awkward_files"])

    assert awkward[b"kinds/symlink dangling"].target == b"does not exist"
    assert len(awkward[b"kinds/hard link 1"].names) == 3
    assert awkward[b"kinds/sparse"].size == 64 << 20
    assert awkward[b"modes/setuid"].mode == 0o4755
    assert b"names/latin1-\xe9\xff" in awkward


def test_a_tree_has_the_files_and_about_the_bytes_asked_for(tmp_path: Path) -> None:
    make_file_tree(tmp_path, file_count=50, total_bytes=1_000_000, seed=3)

    sizes = [node.size for node in tree_of(tmp_path).values() if node.size is not None]

    assert len(sizes) == 50
    assert 950_000 <= sum(sizes) <= 1_000_000
