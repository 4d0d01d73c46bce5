"""A launch at which everything has passed: facts of each kind that are as they should be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.health.verdict import Condition
from onyx_pipelines.readiness.launch import facts as seen
from onyx_pipelines.readiness.launch import verification as way
from onyx_pipelines.readiness.launch.bundle import Content, make_bundle
from onyx_pipelines.readiness.launch.checklist import Checklist, Item, Role, checklist
from onyx_pipelines.readiness.launch.judging.judge import judge, judge_again
from onyx_pipelines.readiness.launch.signing_off import SIGNING_ROLES, SignOff, sign, statement_of
from onyx_pipelines.readiness.launch.verdicts import Facts, LaunchReview
from onyx_pipelines_tests.vault.sets import signing_key

AT: Final = datetime.fromisoformat("2026-11-27T12:00:00+00:00")
COMMIT: Final = "4f0c2b7e9d1a8c35f6e7b2d4a1908c7e5f3b6d20"
NAMES: Final[Mapping[Role, str]] = {
    Role.ENGINEERING: "Ada",
    Role.OPERATIONS: "Grace",
    Role.PRODUCT: "Mary",
}
# Shown as a file for the first item that asks for one.
REPORT: Final = b"0 critical, 0 high\n"
WITH_FILE: Final = "dependencies-scanned"
_HEADERS: Final = {
    "location": "https://onyx.example.org/",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
}


def facts_of(item: Item, at: datetime = AT) -> Facts:
    """What is seen of an item where all is well."""
    looked_at = at - timedelta(minutes=5)
    return Facts(at=looked_at, seen=_seen(item, looked_at).model_dump(mode="json"))


def review_of(
    asked: Checklist, at: datetime = AT, changed: Mapping[str, Facts] | None = None
) -> LaunchReview:
    """Of that moment. `changed`: other facts of some items."""
    found = {item.id: facts_of(item, at) for item in asked.items} | dict(changed or {})
    return LaunchReview(
        at=at,
        commit=COMMIT,
        results=tuple(judge(item, found[item.id], at) for item in asked.items),
    )


def signed_by_all(review: LaunchReview, asked: Checklist, at: datetime = AT) -> tuple[SignOff, ...]:
    """Each role's sign-off, with the host's key."""
    return tuple(signed(review, asked, role, at=at) for role in SIGNING_ROLES)


def signed(
    review: LaunchReview, asked: Checklist, role: Role, *, at: datetime = AT, key: str = "host"
) -> SignOff:
    """One role's, despite whatever blocks."""
    today = judge_again(review, asked, at)
    despite = [item.id for item, _ in today.blockers(asked)]
    statement = statement_of(review, today, asked, role, NAMES[role], despite)
    return sign(statement, signing_key(key), at)


def content_of(review: LaunchReview | None = None) -> Content:
    """All that a bundle holds."""
    asked = checklist()
    review = review or review_of(asked)
    return Content(asked, review, signed_by_all(review, asked), (), {WITH_FILE: REPORT})


def bundled(content: Content, *, key: str = "host", **manifest: Any) -> bytes:
    """The file, signed by that host."""
    manifest = {"thresholds": Thresholds(), **manifest}
    return make_bundle(
        content, signing_key(key), host="vps", versions={"onyx-pipelines": "1"}, **manifest
    )


def _seen(item: Item, at: datetime) -> BaseModel:
    match item.verification:
        case way.Manual() if item.id == WITH_FILE:
            digest = hashlib.sha256(REPORT).hexdigest()
            return seen.SeenEvidence(
                by="Ada", at=at, shown="trivy.txt", sha256=digest, sha256_now=digest
            )
        case way.Manual():
            return seen.SeenEvidence(by="Ada", at=at, shown="https://ci.example.org/1")
        case way.OfHealth():
            return seen.SeenHealth(condition=Condition.OK, summary="It is well.")
        case way.OfMetrics() | way.OfDatabase() | way.OfHost() as asked:
            return seen.SeenFigure(value=_within(asked.holds_if))
        case way.OfDoctor():
            return seen.SeenChecks(checks=(seen.SeenCheck(name="it", ok=True, detail="fine"),))
        case way.OfSettings() as asked:
            given = tuple(map(way.setting_words, asked.any_of))
            return seen.SeenSettings(given=given, missing=())
        case way.OfRecord():
            return seen.SeenRecord(ok=True, said="It went well.", at=at - timedelta(hours=1))
        case way.OfEndpoint() as asked:
            headers = {name: _HEADERS[name] for name in asked.headers}
            url = f"https://onyx.example.org{asked.path}"
            return seen.SeenEndpoint(url=url, status=(asked.status or (200,))[0], headers=headers)
        case way.OfCertificate():
            ends_at = at + timedelta(days=60)
            return seen.SeenCertificate(host="onyx.example.org", ends_at=ends_at)
        case way.OfPorts() as asked:
            open_ports = [seen.Listening(port=port, address="0.0.0.0") for port in asked.allowed]
            return seen.SeenPorts(listening=tuple(open_ports))
        case way.OfCompose():
            return seen.SeenCompose(
                services=(
                    seen.SeenService(
                        name="nginx",
                        image="nginx@sha256:1",
                        restarts=True,
                        has_healthcheck=True,
                        has_memory_limit=True,
                        logs_rotate=True,
                        published=("0.0.0.0:443",),
                    ),
                )
            )
        case _:
            page = seen.SeenPage(url="https://docs.example.org/INCIDENTS.html", status=200)
            return seen.SeenPages(pages=(page,))


def _within(limit: str) -> float:
    compare, figure = limit.split()
    value = float(figure)
    return value / 2 if compare == "<" else value
