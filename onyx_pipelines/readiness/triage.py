"""Walks every playbook's diagnosis at once and says which fits. Reads only; changes nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from datetime import UTC, datetime
from functools import partial
from typing import Final

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import printable, shortened
from onyx_pipelines.core.threads import begun
from onyx_pipelines.health.examining import examine
from onyx_pipelines.health.verdict import Area, Finding
from onyx_pipelines.host.processes import output_of, plain_environment
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.prometheus import Prometheus
from onyx_pipelines.readiness.diagnosis import (
    Seen,
    Triage,
    conclude,
    seen_finding,
    seen_output,
    seen_value,
)
from onyx_pipelines.readiness.playbook import Step, playbooks

# Somebody waits at 3 AM: what has not answered by then could not be looked at.
LIMIT_S: Final = 8.0
_ANSWER_S: Final = 3.0
_OUTPUT_BYTES: Final = 100_000
_SHOWN: Final = 160
_DOCKER: Final = "DOCKER_.*"

Key = tuple[Playbook, str]


def triage(settings: Settings) -> Triage:
    """What is wrong now. Raises nothing: what cannot be asked could not be looked at."""
    written = playbooks(settings.alert_thresholds)
    begun_at = time.monotonic()
    prometheus = Prometheus(settings, limit_s=_ANSWER_S)
    health = begun(lambda: {f.area: f for f in examine(settings).findings}, "triage")
    # A question that several playbooks share is asked once.
    asked: dict[object, Future[Seen]] = {}
    answers: dict[Key, Future[Seen]] = {}
    for playbook in written:
        for step in playbook.diagnosis:
            question = step.query, step.healthy_if, step.command
            if step.area is None and question not in asked:
                asked[question] = begun(partial(_seen, prometheus, step), "triage")
            if step.area is None:
                answers[playbook.id, step.id] = asked[question]
            else:
                look = partial(_area, health, step.area)
                answers[playbook.id, step.id] = begun(look, "triage")
    seen = dict(_gathered(answers, begun_at + LIMIT_S))
    return conclude(written, seen, datetime.now(UTC), time.monotonic() - begun_at)


def _gathered(answers: Mapping[Key, Future[Seen]], until: float) -> Iterable[tuple[Key, Seen]]:
    for key, future in answers.items():
        try:
            yield key, future.result(max(0.0, until - time.monotonic()))
        except OnyxError as error:
            yield key, Seen(None, shortened(printable(str(error)), _SHOWN))
        except TooLate:
            yield key, Seen(None, f"no answer within {LIMIT_S:g} seconds")


def _seen(prometheus: Prometheus, step: Step) -> Seen:
    if step.query:
        return seen_value(step, prometheus.number(step.query))
    if shutil.which(step.command[0]) is None:
        return Seen(None, f"{step.command[0]} is not on this machine")
    return seen_output(step, _lines(step.command))


def _lines(command: Sequence[str]) -> list[str]:
    environment = plain_environment(also=_DOCKER)
    output = b""
    with output_of(command, environment=environment, stall_timeout_s=_ANSWER_S) as stream:
        while len(output) < _OUTPUT_BYTES and (data := stream.read()):
            output += data
    text = output.decode(errors="replace")
    return [shortened(printable(line), _SHOWN) for line in text.splitlines() if line.strip()]


def _area(health: Future[dict[Area, Finding]], area: Area) -> Seen:
    return seen_finding(health.result()[area])
