"""What facts make of an item: of every kind a pass, a failure, and what cannot be said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.readiness.launch import facts as seen
from onyx_pipelines.readiness.launch.checklist import Checklist, Item, Role, Section, checklist
from onyx_pipelines.readiness.launch.judging.judge import RULES, judge, judge_again
from onyx_pipelines.readiness.launch.verdicts import Facts, ItemResult, LaunchReview
from onyx_pipelines_tests.examples import random_examples

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PASSED, FAILED, UNKNOWN = Verdict.PASSED, Verdict.FAILED, Verdict.COULD_NOT_VERIFY


def item(holds_for: timedelta | None = DAY, *, blocks: bool = True, **verification: Any) -> Item:
    return Item(
        id="an-item",
        asks="It is so.",
        owner=Role.OPERATIONS,
        blocks=blocks,
        holds_for=holds_for,
        verification=verification,
    )


def judged(asked: Item, facts: seen._Seen, now: datetime = NOW) -> ItemResult:
    return judge(asked, Facts(at=NOW, seen=facts.model_dump(mode="json")), now)


def service(**changed: Any) -> seen.SeenService:
    good = {
        "name": "onyx",
        "image": "onyx@sha256:1",
        "restarts": True,
        "has_healthcheck": True,
        "has_memory_limit": True,
        "logs_rotate": True,
    }
    return seen.SeenService(**{**good, **changed})


def services(**changed: Any) -> seen.SeenCompose:
    return seen.SeenCompose(services=(service(), service(name="suna", **changed)))


HEALTH = item(kind="health", area="backups")
METRICS = item(kind="metrics", query="up", holds_if="== 1", otherwise="It is so.")
QUIET = item(kind="metrics", query="up", holds_if="== 1", if_nothing="healthy")
DATABASE = item(kind="database", query="SELECT 0", holds_if="== 0")
DOCTOR = item(kind="doctor", checks=["passwords"])
SETTINGS = item(kind="settings", any_of=["smtp_host", "slack_webhook_url"])
RECORD = item(kind="record", of="recovery_time", max_age=10 * DAY)
ENDPOINT = item(
    kind="endpoint",
    base="public_url",
    status=[200],
    headers={"x-frame-options": "DENY"},
    lacks={"server": "/[0-9]"},
    otherwise="Mend it.",
)
ANY_STATUS = item(kind="endpoint", base="public_url", headers={"x-frame-options": "DENY"})
CERTIFICATE = item(kind="certificate", days=14)
PORTS = item(kind="ports", allowed=[22, 443])
HOST = item(kind="host", figure="disk_free", holds_if=">= 0.15")
PLAYBOOKS = item(kind="playbooks")
MANUAL = item(30 * DAY, kind="manual", evidence="A file.")
FRAMED = {"x-frame-options": "DENY"}
BAD_CHECK = seen.SeenCheck(name="passwords", ok=False, detail="It is known.", remedy="Change it.")


def compose(question: str, **more: Any) -> Item:
    return item(kind="compose", question=question, **more)


def health(condition: str) -> seen.SeenHealth:
    return seen.SeenHealth(condition=condition, summary="So it is.")  # type: ignore[arg-type]  # parsed


def figure(value: float | None) -> seen.SeenFigure:
    return seen.SeenFigure(value=value)


def record(*, ok: bool | None, age: timedelta = DAY) -> seen.SeenRecord:
    return seen.SeenRecord(ok=ok, said="It was done.", at=NOW - age)


def answer(status: int = 200, **headers: str) -> seen.SeenEndpoint:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return seen.SeenEndpoint(url="https://onyx", status=status, headers=given)


def certificate(days: float | None, problem: str = "") -> seen.SeenCertificate:
    ends_at = None if days is None else NOW + days * DAY
    return seen.SeenCertificate(host="onyx", ends_at=ends_at, problem=problem)


def listening(*ports: int) -> seen.SeenPorts:
    each = tuple(seen.Listening(port=port, address="0.0.0.0") for port in ports)
    return seen.SeenPorts(listening=each)


def pages(status: int = 200, *lacks: str) -> seen.SeenPages:
    return seen.SeenPages(pages=(seen.SeenPage(url="https://docs", status=status, lacks=lacks),))


def shown(then: str, now: str) -> seen.SeenEvidence:
    return seen.SeenEvidence(by="Ada", at=NOW, shown="scan.json", sha256=then, sha256_now=now)


CASES = [
    (HEALTH, health("ok"), PASSED, "So it is."),
    (HEALTH, health("degraded"), FAILED, "So it is."),
    (HEALTH, health("failing"), FAILED, "So it is."),
    (HEALTH, health("unknown"), UNKNOWN, "So it is."),
    (HEALTH, health("not_watched"), UNKNOWN, "So it is."),
    (METRICS, figure(1), PASSED, "1 (wanted: 1)."),
    (METRICS, figure(0), FAILED, "0 (wanted: 1). It is so."),
    (METRICS, figure(None), UNKNOWN, "no figure"),
    (QUIET, figure(None), PASSED, "which is well"),
    (DATABASE, figure(0), PASSED, "0 (wanted: 0)."),
    (DATABASE, figure(3), FAILED, "3 (wanted: 0)."),
    (DATABASE, figure(None), UNKNOWN, "no figure"),
    (DOCTOR, seen.SeenChecks(checks=(BAD_CHECK.model_copy(update={"ok": True}),)), PASSED, "known"),
    (DOCTOR, seen.SeenChecks(checks=(BAD_CHECK,)), FAILED, "Change it."),
    (DOCTOR, seen.SeenChecks(checks=()), UNKNOWN, "passwords"),
    (SETTINGS, seen.SeenSettings(given=("ONYX_SMTP_HOST",), missing=()), PASSED, "is set"),
    (SETTINGS, seen.SeenSettings(given=(), missing=("X",)), FAILED, "ONYX_SLACK_WEBHOOK_URL"),
    (RECORD, record(ok=True), PASSED, "It was done."),
    (RECORD, record(ok=True, age=11 * DAY), FAILED, "of at most 10 days"),
    (RECORD, record(ok=False), FAILED, "It was done."),
    (RECORD, record(ok=None), UNKNOWN, "It was done."),
    (ENDPOINT, answer(**FRAMED, server="nginx"), PASSED, "answers with 200"),
    (ENDPOINT, answer(500, **FRAMED), FAILED, "answers with 500. Mend it."),
    (ANY_STATUS, answer(404, **FRAMED), PASSED, "answers with 404"),
    (ENDPOINT, answer(), FAILED, "without the right x-frame-options"),
    (ENDPOINT, answer(**FRAMED, server="nginx/1.2"), FAILED, "tells server: nginx/1.2"),
    (CERTIFICATE, certificate(15), PASSED, "in 15 days"),
    (CERTIFICATE, certificate(13), FAILED, "13 days, not 14 or more"),
    (CERTIFICATE, certificate(None, "self-signed"), FAILED, "do not trust onyx: self-signed"),
    (CERTIFICATE, certificate(None), UNKNOWN, "Nobody has read"),
    (PORTS, listening(22, 443, 443), PASSED, "TCP 22 and 443 alone"),
    (PORTS, listening(), PASSED, "no TCP port"),
    (PORTS, listening(22, 5432), FAILED, "5432"),
    (compose("pinned"), services(), PASSED, "All of 2 services"),
    (compose("pinned"), services(image="postgres:16"), FAILED, "suna"),
    (compose("pinned"), services(image=""), PASSED, "All of 2"),
    (compose("restarts"), services(restarts=False), FAILED, "suna"),
    (compose("healthchecks"), services(has_healthcheck=False), FAILED, "suna"),
    (compose("memory_limits"), services(has_memory_limit=False), FAILED, "suna"),
    (compose("logs_rotate"), services(logs_rotate=False), FAILED, "suna"),
    (compose("not_privileged"), services(is_privileged=True), FAILED, "suna"),
    (compose("nothing_published"), services(published=("0.0.0.0:5432",)), FAILED, "suna on 0.0"),
    (compose("nothing_published", besides=[443]), services(published=("::1:443",)), PASSED, "edge"),
    (compose("pinned"), seen.SeenCompose(services=()), UNKNOWN, "no services"),
    (compose("no_known_secrets"), services(), PASSED, "None"),
    (
        compose("no_known_secrets"),
        seen.SeenCompose(services=(), weak=("POSTGRES_PASSWORD in .env",)),
        FAILED,
        "POSTGRES_PASSWORD in .env",
    ),
    (HOST, figure(0.5), PASSED, "0.5"),
    (HOST, figure(0.1), FAILED, "0.1 (wanted: at least 0.15)"),
    (HOST, figure(None), UNKNOWN, "does not say"),
    (PLAYBOOKS, pages(), PASSED, "every playbook"),
    (PLAYBOOKS, pages(404), FAILED, "404"),
    (PLAYBOOKS, pages(200, "ssl-expiry"), FAILED, "lacks ssl-expiry"),
    (PLAYBOOKS, seen.SeenPages(pages=()), UNKNOWN, "No alert"),
    (MANUAL, shown("", ""), PASSED, "Ada"),
    (MANUAL, shown("abc", "abc"), PASSED, "scan.json"),
    (MANUAL, shown("abc", "def"), FAILED, "has changed"),
    (MANUAL, shown("abc", ""), UNKNOWN, "not there any more"),
]


@pytest.mark.parametrize(("asked", "facts", "verdict", "said"), CASES)
def test_facts_give_a_verdict_and_its_evidence_in_a_line(
    asked: Item, facts: seen._Seen, verdict: Verdict, said: str
) -> None:
    result = judged(asked, facts)

    assert result.verdict is verdict, result.found
    assert said in result.found
    assert "\n" not in result.found


def test_every_kind_that_looks_has_a_pass_a_failure_and_what_cannot_be_said() -> None:
    found: dict[type[object], set[Verdict]] = {}
    for asked, _, verdict, _ in CASES:
        found.setdefault(type(asked.verification), set()).add(verdict)

    # What answers, whether a setting is given, which ports are open: known, or not looked at.
    always_known = {"OfEndpoint", "OfSettings", "OfPorts"}
    assert set(found) == set(RULES)
    assert {
        kind.__name__ for kind, verdicts in found.items() if verdicts != set(Verdict)
    } == always_known


@pytest.mark.parametrize("kind", list(RULES), ids=lambda kind: kind.__name__)
def test_what_was_not_looked_at_is_not_a_yes(kind: type[object]) -> None:
    asked = next(each for each in checklist().items if type(each.verification) is kind)

    result = judge(asked, Facts.unable(NOW, "Nobody answers."), NOW)

    assert (result.verdict, result.found) == (UNKNOWN, "Nobody answers.")


def test_what_was_looked_at_counts_for_its_time_and_no_longer() -> None:
    facts = Facts(at=NOW, seen=figure(1).model_dump())

    assert judge(METRICS, facts, NOW + DAY).verdict is PASSED
    late = judge(METRICS, facts, NOW + DAY + timedelta(minutes=1))
    assert (late.verdict, late.expires_at) == (UNKNOWN, NOW + DAY)
    assert "counts for 24 h" in late.found


def test_facts_that_are_dated_ahead_prove_nothing() -> None:
    result = judged(METRICS, figure(1), NOW - DAY)

    assert result.verdict is UNKNOWN
    assert "dated ahead" in result.found


def test_a_certificate_is_judged_by_the_time_of_judging() -> None:
    asked = CERTIFICATE.model_copy(update={"holds_for": None})

    result = judged(asked, certificate(20))

    assert (result.verdict, result.expires_at) == (PASSED, NOW + 6 * DAY)
    assert judged(asked, certificate(20), NOW + 7 * DAY).verdict is FAILED


def test_a_record_ends_before_the_look_at_it_does() -> None:
    assert judged(RECORD, record(ok=True, age=9.5 * DAY)).expires_at == NOW + DAY / 2


class TestOfAReview:
    SECTION = Section(
        id="s",
        title="S",
        items=(METRICS, METRICS.model_copy(update={"id": "other", "blocks": False})),
    )
    ASKED = Checklist(sections=(SECTION,))

    def of(self, *values: float | None) -> LaunchReview:
        results = [
            judge(asked, Facts(at=NOW, seen=figure(value).model_dump()), NOW)
            for asked, value in zip(self.SECTION.items, values, strict=False)
        ]
        return LaunchReview(at=NOW, results=tuple(results))

    def test_what_does_not_block_keeps_nobody_waiting(self) -> None:
        review = self.of(1, 0)

        assert review.is_ready(self.ASKED)
        assert review.progress(self.SECTION).sentence == "1 of 2 items passed, 1 failed"

    def test_what_could_not_be_verified_blocks(self) -> None:
        review = self.of(None, 1)

        assert review.verdict(self.ASKED) is UNKNOWN
        assert "could not be verified: an-item" in review.gist(self.ASKED)

    def test_an_item_without_a_result_has_not_passed(self) -> None:
        review = self.of()

        assert not review.is_ready(self.ASKED)
        assert review.progress(self.SECTION).could_not_verify == 2

    def test_it_is_the_same_after_a_journey_as_text(self) -> None:
        review = self.of(1, 0)
        arrived = LaunchReview.model_validate_json(review.model_dump_json())

        assert judge_again(arrived, self.ASKED, NOW) == review

    def test_judged_again_later_nothing_is_a_yes_any_more(self) -> None:
        later = judge_again(self.of(1, 1), self.ASKED, NOW + 3 * DAY)

        assert {each.verdict for each in later.results} == {UNKNOWN}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    asked=st.sampled_from(list(checklist().items)),
    facts=st.dictionaries(st.text(), json_values, max_size=4),
    age=st.timedeltas(-2 * DAY, 400 * DAY),
)
@settings(max_examples=random_examples(100), deadline=None)
def test_whatever_a_bundle_holds_is_judged_and_is_no_pass(
    asked: Item, facts: dict[str, Any], age: timedelta
) -> None:
    result = judge(asked, Facts(at=NOW - age, seen=facts), NOW)

    assert result.verdict is not PASSED
    assert "\n" not in result.found


@given(
    case=st.sampled_from(CASES),
    age=st.timedeltas(-2 * DAY, 400 * DAY),
    holds_for=st.none() | st.timedeltas(timedelta(), 400 * DAY),
)
@settings(max_examples=random_examples(150), deadline=None)
def test_a_pass_never_outlives_its_evidence(
    case: tuple[Item, seen._Seen, Verdict, str], age: timedelta, holds_for: timedelta | None
) -> None:
    asked = case[0].model_copy(update={"holds_for": holds_for})
    facts = Facts(at=NOW - age, seen=case[1].model_dump(mode="json"))

    result = judge(asked, facts, NOW)

    assert result == judge(asked, facts, NOW)
    assert result.verdict is not PASSED or result.expires_at is None or result.expires_at >= NOW
    assert result.verdict is not PASSED or case[2] is PASSED
