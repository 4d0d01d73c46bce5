"""Which pg_dump is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.postgres.binaries import (
    Binaries,
    Version,
    choose,
    find_binaries,
    parse_version,
)


def _install(directory: Path, version: str) -> Path:
    directory.mkdir(parents=True)
    for program in ("pg_dump", "pg_dumpall"):
        path = directory / program
        path.write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n", encoding="utf-8")
        path.chmod(0o755)
    return directory


@given(st.integers(10, 99), st.integers(0, 99), st.text(max_size=20))
def test_a_version_is_read_whatever_the_packager_adds(major: int, minor: int, added: str) -> None:
    text = f"pg_dump (PostgreSQL) {major}.{minor} ({added})"

    assert parse_version(text) == Version(major, minor)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("pg_dump (PostgreSQL) 18beta1", Version(18)),
        ("pg_dump (PostgreSQL) 19devel", Version(19)),
        ("postgres (PostgreSQL) 9.6.24", Version(9, 6)),
        ("pg_dump (EnterpriseDB) 16.4", None),
        ("", None),
    ],
)
def test_versions_as_programs_print_them(text: str, version: Version | None) -> None:
    assert parse_version(text) == version


@given(st.text())
def test_any_text_is_a_version_or_none(text: str) -> None:
    assert parse_version(text) is None or "(PostgreSQL)" in text


@pytest.mark.parametrize(
    ("installed", "server", "chosen"),
    [
        ([(14, 9), (16, 4), (17, 1)], 16, (17, 1)),
        ([(16, 4), (16, 10)], 16, (16, 10)),
        ([(14, 9), (15, 2)], 16, None),
        ([(14, 9)], 0, (14, 9)),
        ([], 16, None),
    ],
)
def test_the_newest_that_is_not_older_than_the_server_is_chosen(
    installed: list[tuple[int, int]], server: int, chosen: tuple[int, int] | None
) -> None:
    found = [Binaries(Path(f"/pg/{a}.{b}"), Version(a, b)) for a, b in installed]

    picked = choose(found, server)

    assert picked == (chosen and Binaries(Path(f"/pg/{chosen[0]}.{chosen[1]}"), Version(*chosen)))


def test_a_chosen_directory_that_is_too_old_is_an_error_that_says_what_it_has(
    tmp_path: Path,
) -> None:
    bindir = _install(tmp_path / "bin", "14.9")

    with pytest.raises(SourceError) as caught:
        find_binaries(16, bindir=bindir)

    assert f"found: 14.9 in {bindir}" in caught.value.what
    assert "PostgreSQL 16 or newer" in caught.value.what
    assert "postgresql-client-16" in caught.value.remedy
    assert "ONYX_PG_BINDIR" in caught.value.remedy


def test_a_chosen_directory_without_the_programs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"found: none"):
        find_binaries(16, bindir=tmp_path)


def test_a_program_that_does_not_run_is_not_found(tmp_path: Path) -> None:
    bindir = _install(tmp_path / "bin", "16.4")
    (bindir / "pg_dump").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")

    with pytest.raises(SourceError, match=r"found: none"):
        find_binaries(16, bindir=bindir)


def test_a_chosen_directory_wins_over_newer_ones_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(_install(tmp_path / "newer", "98.0")))
    bindir = _install(tmp_path / "chosen", "97.0")

    assert find_binaries(97, bindir=bindir) == Binaries(bindir, Version(97))


def test_the_newest_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older, newer = _install(tmp_path / "a", "97.0"), _install(tmp_path / "b", "98.0")
    monkeypatch.setenv("PATH", f"{older}:{newer}")

    assert find_binaries(96) == Binaries(newer, Version(98))


def test_the_wrapper_of_debian_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "share"
    _install(shared, "99.0")
    (shared / "pg_dump").rename(shared / "pg_wrapper")
    wrapped = tmp_path / "bin"
    wrapped.mkdir()
    for program in ("pg_dump", "pg_dumpall"):
        (wrapped / program).symlink_to(shared / "pg_wrapper")
    monkeypatch.setenv("PATH", str(wrapped))

    with pytest.raises(SourceError, match="There is no pg_dump and pg_dumpall of PostgreSQL 99"):
        find_binaries(99)
