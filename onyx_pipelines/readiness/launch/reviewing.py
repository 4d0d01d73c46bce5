"""Looks at everything at once and judges it: `review`. What fails is a part's trouble alone.

Each look has a thread of its own and a limit: what has not answered by then could not be verified.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

from pydantic import BaseModel

from onyx_pipelines.backup.doctor import examine as examine_host
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import limit_text
from onyx_pipelines.core.threads import begun
from onyx_pipelines.health.examining import examine as examine_health
from onyx_pipelines.readiness.launch import verification as way
from onyx_pipelines.readiness.launch.checklist import Checklist, Item, checklist
from onyx_pipelines.readiness.launch.commit import commit_of
from onyx_pipelines.readiness.launch.judging.judge import judge
from onyx_pipelines.readiness.launch.looking import (
    of_compose,
    of_here,
    of_host,
    of_records,
    of_servers,
)
from onyx_pipelines.readiness.launch.verdicts import Facts, LaunchReview

# Stores with many sets, and a tracker that is asked for an event until it has it.
LIMIT_S: Final = 60.0
_NAME: Final = "launch"
_log = logger("launch")
T = TypeVar("T")


def review(
    settings: Settings, asked: Checklist | None = None, *, limit_s: float = LIMIT_S
) -> LaunchReview:
    """Of this host's stack, now.

    Args:
        asked: some sections; None: all that is asked before a launch.
        limit_s: for all looks together.
    """
    until = time.monotonic() + limit_s
    items = list((asked or checklist(settings.alert_thresholds)).items)
    looks = _Looks(settings, items)
    begun_looks = {item.id: begun(partial(looks.at, item), _NAME) for item in items}
    seen = [(item, _facts(begun_looks[item.id], until, limit_s)) for item in items]
    now = datetime.now(UTC)
    return LaunchReview(
        at=now,
        stack=settings.stack,
        commit=commit_of(settings),
        results=tuple(judge(item, facts, now) for item, facts in seen),
    )


def _facts(look: Future[Facts], until: float, limit_s: float) -> Facts:
    now = datetime.now(UTC)
    try:
        return look.result(max(0.0, until - time.monotonic()))
    except OnyxError as error:
        return Facts.unable(now, str(error))
    except TooLate:
        return Facts.unable(now, f"No answer within {limit_text(limit_s)}.")
    except Exception as error:  # noqa: BLE001  (see below)
        # A fault of one look is no reason to say nothing of all others.
        _log.exception("a look of the launch checklist has a fault")
        return Facts.unable(now, f"The look has a fault ({type(error).__name__}); the log says it.")


class _Looks:
    """The looks of one review; what several items ask is asked once."""

    def __init__(self, settings: Settings, items: Collection[Item]) -> None:
        self._settings = settings
        kinds = {type(item.verification) for item in items}

        def once(ask: Callable[[], T], *of: type[BaseModel]) -> Future[T]:
            return begun(ask, _NAME) if kinds.intersection(of) else Future()

        self._scan = once(lambda: open_host(settings).catalog.scan(), way.OfHealth, way.OfRecord)
        self._health = once(lambda: examine_health(settings, self._scan.result), way.OfHealth)
        self._doctor = once(lambda: examine_host(settings), way.OfDoctor)
        self._compose = once(lambda: of_compose.compose(settings), way.OfCompose)

    def at(self, item: Item) -> Facts:
        """What is seen of it. Raises OnyxError."""
        asked = item.verification
        if isinstance(asked, way.Manual):
            shown = of_here.evidence(self._settings, item, asked)
            return Facts(at=shown.at, seen=shown.model_dump(mode="json"))
        if missing := of_here.missing_settings(self._settings, asked):
            return Facts.unable(datetime.now(UTC), f"Not configured: set {missing}.")
        seen = self._seen(asked)
        return Facts(at=datetime.now(UTC), seen=seen.model_dump(mode="json"))

    def _seen(self, asked: way.Automatic) -> BaseModel:
        match asked:
            case way.OfHealth():
                return of_here.health(self._health.result(), asked)
            case way.OfDoctor():
                return of_here.doctor(self._doctor.result(), asked)
            case way.OfCompose():
                return self._compose.result()
            case way.OfSettings():
                return of_here.settings_given(self._settings, asked)
            case way.OfRecord():
                return of_records.record(self._settings, asked, self._scan.result)
            case way.OfMetrics():
                return of_servers.metrics(self._settings, asked)
            case way.OfDatabase():
                return of_servers.database(self._settings, asked)
            case way.OfEndpoint():
                return of_servers.endpoint(self._settings, asked)
            case way.OfCertificate():
                return of_servers.certificate(self._settings)
            case way.OfPlaybooks():
                return of_servers.playbooks(self._settings)
            case way.OfHost():
                return of_host.host(self._settings, asked)
            case way.OfPorts():
                return of_host.ports()
