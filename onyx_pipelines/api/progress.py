"""How far a backup is: sealed bytes that lie there, against those of the last set. Pure but for
reading sizes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from onyx_pipelines.vault.layout import set_prefix

# Only a set that is listed is finished.
_ALMOST = 99.0


def written_bytes(backup_dir: Path, backup_id: str) -> int:
    """Of everything of a set that lies in the local store by now, half-written objects too."""
    total = 0
    for path in (backup_dir / set_prefix(backup_id)).rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def progress_percent(
    written: int, expected: int | None, *, components_done: int, components: int
) -> float:
    """0 to 99. Without an earlier set only finished components count."""
    by_components = 100.0 * components_done / components if components else 0.0
    by_bytes = 100.0 * written / expected if expected else 0.0
    return round(min(_ALMOST, max(by_bytes, by_components)), 1)


class Monotonic:
    """A retried component begins anew, but what was shown does not go back."""

    def __init__(self) -> None:
        self._shown: dict[str, float] = {}

    def at_least(self, key: str, value: float) -> float:
        self._shown[key] = max(value, self._shown.get(key, 0.0))
        if len(self._shown) > 1000:
            self._shown.pop(next(iter(self._shown)))
        return self._shown[key]


def expected_bytes(sizes: Mapping[str, int], components: tuple[str, ...]) -> int | None:
    """Of these components in the last set; None if it lacks one."""
    if any(name not in sizes for name in components):
        return None
    return sum(sizes[name] for name in components)
