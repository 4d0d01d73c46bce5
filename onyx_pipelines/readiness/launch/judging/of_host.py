"""The machine, its open ports, and what its Compose files say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from onyx_pipelines.core.text import count_text, list_text
from onyx_pipelines.readiness.launch.facts import SeenCompose, SeenFigure, SeenPorts, SeenService
from onyx_pipelines.readiness.launch.judging.figure import figure
from onyx_pipelines.readiness.launch.judging.judgement import (
    Judgement,
    either,
    failed,
    passed,
    unknown,
)
from onyx_pipelines.readiness.launch.verification import ComposeQuestion, OfCompose, OfHost, OfPorts

_NAMED: Final = 5
_DIGEST: Final = "@sha256:"
Question = ComposeQuestion


def of_host(asked: OfHost, seen: SeenFigure, _now: datetime) -> Judgement:
    """Its figure within its limit."""
    if seen.value is None:
        return unknown("This machine does not say.")
    return figure(asked, seen.value, seen)


def of_ports(asked: OfPorts, seen: SeenPorts, _now: datetime) -> Judgement:
    """Each port once, whatever its addresses."""
    odd = sorted({each.port for each in seen.listening} - set(asked.allowed))
    allowed = list_text([str(each) for each in asked.allowed])
    if odd:
        named = _some([str(each) for each in odd])
        return failed(f"Others reach TCP {named} of this host; {allowed} are meant to be open.")
    found = list_text([str(each) for each in sorted({e.port for e in seen.listening})])
    return passed(f"Others reach {f'TCP {found} alone' if found else 'no TCP port'}.")


def of_compose(asked: OfCompose, seen: SeenCompose, _now: datetime) -> Judgement:
    """Of every service, or of every secret."""
    if asked.question is Question.NO_KNOWN_SECRETS:
        return either(not seen.weak, "None is one that everybody knows.", f"{_some(seen.weak)}.")
    if not seen.services:
        return unknown("The Compose files have no services.")
    if asked.question is Question.NOTHING_PUBLISHED:
        odd = [
            f"{each.name} on {place}"
            for each in seen.services
            for place in each.published
            if place.rpartition(":")[2] not in {str(port) for port in asked.besides}
        ]
        return either(not odd, "Only the edge is published.", f"Published to others: {_some(odd)}.")
    fails, said = _RULES[asked.question]
    odd = [each.name for each in seen.services if fails(each)]
    count = count_text(len(seen.services), "service")
    return either(not odd, f"All of {count}.", f"{said}: {_some(odd)}, of {count}.")


_RULES: Final[dict[ComposeQuestion, tuple[Callable[[SeenService], bool], str]]] = {
    # What is built on this host has no digest, and is what its recipe says.
    Question.PINNED: (
        lambda each: bool(each.image) and _DIGEST not in each.image,
        "An image without digest",
    ),
    Question.RESTARTS: (lambda each: not each.restarts, "Not restarted after a reboot or a crash"),
    Question.HEALTHCHECKS: (lambda each: not each.has_healthcheck, "Without a health check"),
    Question.MEMORY_LIMITS: (lambda each: not each.has_memory_limit, "Without a memory limit"),
    Question.LOGS_ROTATE: (lambda each: not each.logs_rotate, "Logs grow without limit"),
    Question.NOT_PRIVILEGED: (lambda each: each.is_privileged, "Privileged"),
}


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    return list_text([*names[:_NAMED], *([f"{rest} more"] if rest > 0 else [])])
