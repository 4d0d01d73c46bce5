"""What servers answer: Prometheus, PostgreSQL, and the addresses that people use."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from onyx_pipelines.core.text import count_text, day_text, list_text
from onyx_pipelines.readiness.launch.facts import (
    SeenCertificate,
    SeenEndpoint,
    SeenFigure,
    SeenPages,
)
from onyx_pipelines.readiness.launch.judging.figure import figure
from onyx_pipelines.readiness.launch.judging.judgement import (
    Judgement,
    failed,
    passed,
    unknown,
)
from onyx_pipelines.readiness.launch.verification import (
    OfCertificate,
    OfDatabase,
    OfEndpoint,
    OfMetrics,
    OfPlaybooks,
)
from onyx_pipelines.readiness.playbook import Nothing

_OK = 200


def of_metrics(asked: OfMetrics, seen: SeenFigure, _now: datetime) -> Judgement:
    """Its number within its limit."""
    if seen.value is None:
        if asked.if_nothing is Nothing.HEALTHY:
            return passed("Nothing of the kind was measured, which is well.")
        return unknown("Prometheus has no figure for it yet.")
    return figure(asked, seen.value, seen)


def of_database(asked: OfDatabase, seen: SeenFigure, _now: datetime) -> Judgement:
    """Its number within its limit."""
    if seen.value is None:
        return unknown("PostgreSQL gives no figure for it.")
    return figure(asked, seen.value, seen)


def of_endpoint(asked: OfEndpoint, seen: SeenEndpoint, _now: datetime) -> Judgement:
    """Its status first, then each header."""
    if asked.status and seen.status not in asked.status:
        return failed(f"{seen.url} answers with {seen.status}. {asked.otherwise}")
    missing = [
        name
        for name, pattern in asked.headers.items()
        if not re.search(pattern, seen.headers.get(name, ""))
    ]
    if missing:
        return failed(
            f"{seen.url} answers without the right {list_text(missing)}. {asked.otherwise}"
        )
    told = [
        f"{name}: {seen.headers[name]}"
        for name, pattern in asked.lacks.items()
        if name in seen.headers and re.search(pattern, seen.headers[name])
    ]
    if told:
        return failed(f"{seen.url} tells {list_text(told)}. {asked.otherwise}")
    return passed(f"{seen.url} answers with {seen.status}.")


def of_certificate(asked: OfCertificate, seen: SeenCertificate, now: datetime) -> Judgement:
    """By its end, not by what was left when it was looked at."""
    if seen.problem:
        return failed(f"Programs do not trust {seen.host}: {seen.problem}.")
    if seen.ends_at is None:
        return unknown(f"Nobody has read the certificate of {seen.host}.")
    needed = timedelta(days=asked.days)
    left = seen.ends_at - now
    said = f"The certificate of {seen.host} ends on {day_text(seen.ends_at)}"
    if left < needed:
        return failed(f"{said}, in {count_text(left.days, 'day')}, not {asked.days} or more.")
    return passed(f"{said}, in {count_text(left.days, 'day')}.", until=seen.ends_at - needed)


def of_playbooks(_: OfPlaybooks, seen: SeenPages, _now: datetime) -> Judgement:
    """Every page is there, and every playbook in it."""
    if not seen.pages:
        return unknown("No alert links to a page.")
    for page in seen.pages:
        if page.status != _OK:
            return failed(f"{page.url} answers with {page.status}: no alert leads anywhere.")
        if page.lacks:
            return failed(f"{page.url} lacks {list_text(page.lacks)}.")
    return passed(f"{list_text([page.url for page in seen.pages])} has every playbook.")
