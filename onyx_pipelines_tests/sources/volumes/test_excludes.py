"""Exclude patterns against a second matcher, written from the documented rules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.sources.volumes.excludes import exclude_rule

_names = st.text("ab.-é\n", min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))
_pattern_names = st.one_of(
    st.text("ab.*?é", min_size=1, max_size=4).filter(lambda n: n not in (".", "..", "**")),
    st.just("**"),
)
_paths = st.lists(_names, min_size=1, max_size=4)
_patterns = st.builds(
    lambda start, names, end: start + "/".join(names) + end,
    st.sampled_from(["", "", "/"]),
    st.lists(_pattern_names, min_size=1, max_size=4),
    st.sampled_from(["", "", "/"]),
)


def _oracle(pattern: str, path: list[str], is_directory: bool) -> bool:
    if pattern.endswith("/") and not is_directory:
        return False
    names = pattern.strip("/").split("/")
    anchored = "/" in pattern.rstrip("/")
    return _names_match(names if anchored else ["**", *names], path)


def _names_match(pattern: list[str], path: list[str]) -> bool:
    if not pattern or not path:
        return not pattern and not path
    if pattern[0] == "**":
        if len(pattern) == 1:
            return True
        return _names_match(pattern[1:], path) or _names_match(pattern, path[1:])
    return _name_matches(pattern[0], path[0]) and _names_match(pattern[1:], path[1:])


def _name_matches(pattern: str, name: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "*":
        return _name_matches(pattern[1:], name) or (bool(name) and _name_matches(pattern, name[1:]))
    return bool(name) and pattern[0] in ("?", name[0]) and _name_matches(pattern[1:], name[1:])


@settings(deadline=None, max_examples=200)
@given(pattern=_patterns, path=_paths, is_directory=st.booleans())
def test_a_pattern_matches_what_the_rules_say(
    pattern: str, path: list[str], is_directory: bool
) -> None:
    rule = exclude_rule([pattern])

    assert rule("/".join(path).encode(), is_directory=is_directory) == _oracle(
        pattern, path, is_directory
    )


@settings(deadline=None, max_examples=200)
@given(patterns=st.lists(_patterns, max_size=4), path=_paths, is_directory=st.booleans())
def test_several_patterns_match_what_any_of_them_matches(
    patterns: list[str], path: list[str], is_directory: bool
) -> None:
    raw = "/".join(path).encode()

    assert exclude_rule(patterns)(raw, is_directory=is_directory) == any(
        exclude_rule([pattern])(raw, is_directory=is_directory) for pattern in patterns
    )


@settings(deadline=None, max_examples=150)
@given(text=st.text("ab[]!^-\\*?|&~.", min_size=1, max_size=8), path=st.text("ab-]", max_size=4))
def test_no_pattern_is_a_broken_expression(text: str, path: str) -> None:
    pattern = f"x{text}"

    assert exclude_rule([pattern])(path.encode(), is_directory=False) is False


@pytest.mark.parametrize(
    ("pattern", "path", "is_excluded"),
    [
        ("*.tmp", "a/b/c.tmp", True),
        ("/*.tmp", "a/c.tmp", False),
        ("cache/**", "cache", False),
        ("cache/**", "cache/a/b", True),
        ("cache", "a/cache", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("[a-c]1", "b1", True),
        ("[!a-c]1", "b1", False),
        ("[!a-c]1", "d1", True),
        ("[]]", "]", True),
        ("a[b", "a[b", True),
        ("\\*", "*", True),
        ("\\*", "x", False),
        ("CACHE", "cache", False),
        ("[a-]", "-", True),
        ("a?c", "a/c", False),
    ],
)
def test_documented_examples(pattern: str, path: str, is_excluded: bool) -> None:
    assert exclude_rule([pattern])(path.encode(), is_directory=False) == is_excluded


def test_names_that_are_not_utf8_are_matched_too() -> None:
    assert exclude_rule(["log-?"])(b"log-\xff", is_directory=False)


@pytest.mark.parametrize("pattern", ["", "/", "a//b", "../a", "a/./b", "a\0"])
def test_a_pattern_that_can_match_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(SettingsError, match="can match nothing"):
        exclude_rule([pattern])
