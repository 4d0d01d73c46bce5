"""Which events a channel is told: `failed` of every job, `nightly_backup:succeeded` of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.notify.event import Event, Outcome

ANY_JOB: Final = "*"


@dataclass(frozen=True)
class Routes:
    """Pairs of a job (or any) and an outcome."""

    pairs: frozenset[tuple[str, Outcome]]

    def wants(self, event: Event) -> bool:
        return bool({(ANY_JOB, event.outcome), (event.job, event.outcome)} & self.pairs)


def routes(texts: Iterable[str]) -> Routes:
    """From `outcome` or `job:outcome`.

    Raises:
        ValueError: there is no such outcome.
    """
    pairs = set()
    for text in texts:
        job, _, outcome = text.rpartition(":")
        pairs.add((job.strip() or ANY_JOB, Outcome(outcome.strip())))
    return Routes(frozenset(pairs))
