"""What a service exposes now, held against the rules: which of them are blind there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import httpx

from onyx_pipelines.core.certificates import usual_certificates
from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.core.whole_answer import unanswered, whole_answer
from onyx_pipelines.monitoring.contract import (
    UnreadableMetricsError,
    blind_of,
    jobs_seen,
    read,
)
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.monitoring.rules.rule import Alert

_LIMIT_S: Final = 20.0
_LARGEST_BYTES: Final = 32 << 20


@dataclass(frozen=True)
class Blind:
    """An alert or a recorded figure that would see less than all, and why."""

    job: str
    rule: str
    lacks: tuple[str, ...]


@dataclass(frozen=True)
class Looked:
    """Args:
    jobs: whose metrics were found there.
    """

    jobs: tuple[str, ...]
    blind: tuple[Blind, ...]


def look(url: str) -> Looked:
    """At the page that Prometheus scrapes.

    Raises:
        UnreadableMetricsError: there is no such page.
    """
    try:
        with httpx.Client(trust_env=False, verify=usual_certificates()) as client:
            answer = whole_answer(
                client, "GET", url, limit_s=_LIMIT_S, limit_bytes=_LARGEST_BYTES
            ).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnreadableMetricsError(
            unanswered(url, error), remedy="See whether Prometheus can scrape this address."
        ) from None
    return judged(answer.text)


def judged(text: str) -> Looked:
    """The same of a page that is at hand."""
    exposition = read(text)
    rules = [
        (rule.name if isinstance(rule, Alert) else rule.record, rule.expr)
        for group in groups(Thresholds())
        for rule in group.rules
    ]
    jobs = jobs_seen(exposition)
    return Looked(
        tuple(jobs),
        tuple(
            Blind(job, rule, tuple(lacks))
            for job in jobs
            for rule, lacks in blind_of(rules, job, exposition).items()
        ),
    )
