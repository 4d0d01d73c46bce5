"""Which paths of a volume are left out: patterns in the manner of .gitignore. Pure.

Rules, relative to the volume's root: `*` and `?` match within one name, `[a-z]` and `[!a-z]` one
character, `**` as a whole name any number of directories, also none. A pattern without a slash
matches at any depth; one with a slash (`a/b`, `/a`) from the root only; with a slash at its end it
matches directories only. A directory that matches is left out with all that it holds; `cache/**`
keeps the directory and leaves out what it holds. Letter case counts; `\\` takes away a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from onyx_pipelines.core.errors import SettingsError


class ExcludeRule(Protocol):
    """What of a volume stays out of its backup."""

    def __call__(self, path: bytes, *, is_directory: bool) -> bool:
        """Is this path, relative to the volume's root, left out?"""
        ...


def exclude_rule(patterns: Sequence[str]) -> ExcludeRule:
    """The rule that leaves out what any of the patterns matches.

    Raises:
        SettingsError: a pattern can match nothing that a volume may hold.
    """
    anything = [p for p in patterns if not p.endswith("/")]
    for_anything = _matcher(anything)
    for_directories = _matcher([*anything, *(p.rstrip("/") for p in patterns if p.endswith("/"))])

    def is_excluded(path: bytes, *, is_directory: bool) -> bool:
        text = path.decode("utf-8", "surrogateescape")
        return (for_directories if is_directory else for_anything).fullmatch(text) is not None

    return is_excluded


def _matcher(patterns: Sequence[str]) -> re.Pattern[str]:
    expressions = [_expression(pattern) for pattern in patterns]
    # (?!) matches nothing, as an empty list of patterns should.
    return re.compile("|".join(expressions) or "(?!)", re.DOTALL)


def _expression(pattern: str) -> str:
    names = pattern.removeprefix("/").split("/")
    if any(name in ("", ".", "..") for name in names) or "\0" in pattern:
        raise SettingsError(
            f"The exclude pattern {pattern!r} can match nothing.",
            remedy="Give ONYX_VOLUME_EXCLUDES patterns relative to a volume's root, without empty"
            " names, `.` and `..`.",
        )
    if "/" not in pattern:
        names = ["**", *names]
    parts = [_directories(name) for name in names[:-1]]
    return "".join(parts) + _last(names[-1])


def _directories(name: str) -> str:
    return "(?:[^/]+/)*" if name == "**" else _name_expression(name) + "/"


def _last(name: str) -> str:
    return ".+" if name == "**" else _name_expression(name)


def _name_expression(name: str) -> str:
    """One name. A `[` without its `]`, and a `\\` at the end, stand for themselves."""
    parts: list[str] = []
    position = 0
    while position < len(name):
        character = name[position]
        position += 1
        if character == "*":
            parts.append("[^/]*")
        elif character == "?":
            parts.append("[^/]")
        elif character == "\\" and position < len(name):
            parts.append(re.escape(name[position]))
            position += 1
        elif (
            character == "[" and (end := name.find("]", position + 2 - _plain(name, position))) > 0
        ):
            parts.append(_class_expression(name[position:end]))
            position = end + 1
        else:
            parts.append(re.escape(character))
    return "".join(parts)


def _plain(name: str, position: int) -> int:
    """1 if the class at `position` is not negated: its first character is never its end."""
    return 0 if name[position : position + 1] in ("!", "^") else 1


def _class_expression(inner: str) -> str:
    negated = inner[0] in ("!", "^")
    characters = inner[1:] if negated else inner
    members = "".join(
        character if _is_range(characters, index) else re.escape(character)
        for index, character in enumerate(characters)
    )
    try:
        re.compile(f"[{members}]")
    except re.error:
        return re.escape(f"[{inner}]")
    return f"(?![/])[{'^' if negated else ''}{members}]"


def _is_range(characters: str, index: int) -> bool:
    around = characters[index - 1 : index + 2] if index else ""
    return len(around) == 3 and around.count("-") == 1 and around[1] == "-"
