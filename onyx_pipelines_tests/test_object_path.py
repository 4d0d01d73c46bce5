"""Store keys made of names of any characters: injective, safe and of bounded length."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from onyx_pipelines.sources.source import object_path

# Surrogates too: names of files that are not UTF-8 have them.
_names = st.one_of(
    st.text(st.characters(codec=None), max_size=300),
    st.text("aAbB=~%/.-_ \u00e9e\u0301", max_size=8),
)
_similar = _names.flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.sampled_from(
            [
                name,
                name.lower(),
                name.upper(),
                name.swapcase(),
                unicodedata.normalize("NFC", name),
                unicodedata.normalize("NFD", name),
                object_path(name, suffix=""),
                name + "x",
                name[:-1],
            ]
        ),
    )
)


def _as_a_careless_file_system_sees(path: str) -> str:
    """One that ignores letter case and normalises Unicode."""
    return unicodedata.normalize("NFC", path).casefold()


@given(names=st.one_of(_similar, st.tuples(_names, _names)))
@example(names=("A", "a"))
@example(names=("\u00e9", "e\u0301"))
@example(names=("a" * 160, "a" * 161))
@example(names=("a/b", "a=2fb"))
@example(names=("", "~e3b0c44298fc1c14"))
def test_different_names_give_different_keys_on_any_file_system(names: tuple[str, str]) -> None:
    keys = {_as_a_careless_file_system_sees(object_path("p", n, suffix=".x")) for n in names}

    assert len(keys) == len(set(names))


@given(parts=st.lists(_names, min_size=1, max_size=4))
def test_keys_have_only_safe_characters(parts: list[str]) -> None:
    assert re.fullmatch(
        r"([A-Za-z0-9_=~-]+/)*[A-Za-z0-9_=~-]+\.dump", object_path(*parts, suffix=".dump")
    )


@given(parts=st.lists(_names, min_size=1, max_size=4))
def test_a_part_stays_one_part_and_short(parts: list[str]) -> None:
    keys = object_path(*parts, suffix="").split("/")

    assert len(keys) == len(parts)
    assert max(map(len, keys)) <= 200


@given(
    first=st.lists(_names, min_size=1, max_size=3), second=st.lists(_names, min_size=1, max_size=3)
)
def test_different_lists_of_parts_give_different_keys(first: list[str], second: list[str]) -> None:
    same = object_path(*first, suffix="") == object_path(*second, suffix="")

    assert same == (first == second)


def test_plain_names_stay_as_they_are() -> None:
    assert object_path("postgresql", "onyx_db-1", suffix=".dump") == "postgresql/onyx_db-1.dump"


def test_names_that_walk_out_stay_inside() -> None:
    assert object_path("volumes", "..", suffix=".tar") == "volumes/=2e=2e.tar"
