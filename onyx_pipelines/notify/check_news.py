"""What is new of a run's checks: people are told of a change, not each night of what they know.

A failed check is news if it passed before, is of another severity, or says something else. An error
that nobody has mended is news again after a week; a warning is not: Dagster's page shows it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, RootModel, ValidationError

from onyx_pipelines.core.logs import logger
from onyx_pipelines.host.durable_files import replace_durably

_REMINDED_AFTER: Final = timedelta(days=7)
# What grows every night although nothing has changed: moments, and measured numbers. Counts do not.
_MEASURED: Final = r"[\d,.]+ (?:days|h|min|s|B|kB|MB|GB|TB)\b"
_PASSING: Final = re.compile(
    rf"\d{{4}}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?|{_MEASURED}(?: {_MEASURED})?|\d+\.\d+"
)

_log = logger("notify")


@dataclass(frozen=True)
class CheckOutcome:
    """One check of a run. `name`: `asset: check`."""

    name: str
    passed: bool
    is_error: bool
    says: str = ""

    @property
    def sentence(self) -> str:
        severity = "ERROR" if self.is_error else "WARN"
        return f"{self.name} ({severity}){f': {self.says}' if self.says else ''}"


class Known(BaseModel):
    """What people were told of a check last, and when."""

    model_config = ConfigDict(frozen=True)

    is_error: bool
    says: str
    told_at: AwareDatetime


@dataclass(frozen=True)
class CheckNews:
    """Of one run: what is to be told, what people know already, and what holds again."""

    told: tuple[CheckOutcome, ...] = ()
    known: tuple[CheckOutcome, ...] = ()
    holds_again: tuple[str, ...] = ()


def news_of(
    outcomes: Sequence[CheckOutcome], known: Mapping[str, Known], now: datetime
) -> CheckNews:
    """The severest first.

    Args:
        known: what people were told of this job's checks, by name.
    """
    failed = sorted((each for each in outcomes if not each.passed), key=lambda o: not o.is_error)
    told = tuple(each for each in failed if _is_news(each, known.get(each.name), now))
    return CheckNews(
        told=told,
        known=tuple(each for each in failed if each not in told),
        holds_again=tuple(each.name for each in outcomes if each.passed and each.name in known),
    )


def known_after(
    news: CheckNews, known: Mapping[str, Known], now: datetime, *, was_told: bool
) -> dict[str, Known]:
    """What people know once the news is told; what nobody wanted to hear, nobody knows."""
    after = {name: each for name, each in known.items() if name not in news.holds_again}
    if was_told:
        after |= {
            each.name: Known(is_error=each.is_error, says=_lasting(each.says), told_at=now)
            for each in news.told
        }
    return after


class KnownChecks:
    """The file of one host: job → check → what was told. A file that is lost tells once more."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "notify" / "known_checks.json"

    def of(self, job: str) -> dict[str, Known]:
        return self._read().get(job, {})

    def put(self, job: str, known: Mapping[str, Known]) -> None:
        """Raises OSError: the state directory cannot be written."""
        before = self._read()
        after = {**before, job: dict(known)}
        if after[job] != before.get(job, {}):
            replace_durably(self._path, _File(after).model_dump_json().encode())

    def _read(self) -> dict[str, dict[str, Known]]:
        try:
            return _File.model_validate_json(self._path.read_bytes()).root
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            _log.warning("what people know of checks could not be read (%s)", type(error).__name__)
            return {}


class _File(RootModel[dict[str, dict[str, Known]]]):
    pass


def _is_news(outcome: CheckOutcome, known: Known | None, now: datetime) -> bool:
    if known is None or (known.is_error, known.says) != (outcome.is_error, _lasting(outcome.says)):
        return True
    # A clock that went back: when it was told is not known.
    return outcome.is_error and not timedelta(0) <= now - known.told_at < _REMINDED_AFTER


def _lasting(says: str) -> str:
    return _PASSING.sub("#", says)
