"""Findings about one volume: the first ones by name, the others by number. Names of files are one
line, without control characters, and never ambiguous. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Final

from onyx_pipelines.core.text import count_text, printable, shortened
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.results import Finding

MAX_NAMED: Final = 50
_MAX_EXAMPLES: Final = 3


class VolumeFindings:
    """Collects for one volume; memory does not grow with what is wrong."""

    def __init__(self, volume: str, *, most_named: int = MAX_NAMED) -> None:
        self._volume = shown(volume.encode("utf-8", "surrogateescape"))
        self._most_named = most_named
        self._failed: list[Finding] = []
        self._further = 0
        self._unverified: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._others: list[Finding] = []

    @property
    def has_failed(self) -> bool:
        return bool(self._failed)

    def fail(
        self, path: bytes, aspect: str, message: str, expected: str = "", found: str = ""
    ) -> None:
        """One path that is not as it was."""
        if len(self._failed) >= self._most_named:
            self._further += 1
            return
        self._failed.append(
            Finding.failed(
                f"{self._volume}/{shown(path)}", aspect, message, expected=expected, found=found
            )
        )

    def leave_unverified(self, path: bytes, why: str) -> None:
        """One path of which nothing can be said; counted by the reason."""
        self._unverified[why] += 1
        examples = self._examples.setdefault(why, [])
        if len(examples) < _MAX_EXAMPLES:
            examples.append(shown(path))

    def add(self, verdict: Verdict, aspect: str, message: str) -> None:
        """Something about the volume as a whole."""
        finding = Finding(verdict=verdict, item=self._volume, aspect=aspect, message=message)
        (self._failed if verdict is Verdict.FAILED else self._others).append(finding)

    def finish(self) -> tuple[Finding, ...]:
        further = [
            Finding.failed(
                self._volume,
                "not named",
                f"{count_text(self._further, 'more difference')} not named here.",
            )
        ]
        unverified = [
            Finding.unverified(
                self._volume,
                "files",
                f"{count_text(count, 'path')}: {why} ({self._named(why, count)}).",
            )
            for why, count in self._unverified.items()
        ]
        return (*self._failed, *(further if self._further else ()), *unverified, *self._others)

    def _named(self, why: str, count: int) -> str:
        examples = self._examples[why]
        return ", ".join(examples) + (", …" if count > len(examples) else "")


_MAX_CHARACTERS: Final = 300


def shown(path: bytes) -> str:
    """What does not print, and a backslash, as escapes; the middle of a very long one left out."""
    text = path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return shortened(printable(text), _MAX_CHARACTERS)
