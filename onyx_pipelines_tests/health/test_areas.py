"""What facts say of each area: the worst first, the others as details, and the next action."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.health import areas
from onyx_pipelines.health.areas import BackupFacts, DrillFacts, ErrorFacts, LoadFacts
from onyx_pipelines.health.verdict import Area, Condition, Finding
from onyx_pipelines.load_test.results import LoadVerdict
from onyx_pipelines.monitoring.coverage import Scraping
from onyx_pipelines.monitoring.prometheus import Firing

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
WELL = BackupFacts(NOW - HOUR, behind=timedelta(0), verified_at=NOW - HOUR)


def of_backups(facts: BackupFacts) -> Finding:
    return areas.backups(facts, NOW, max_age=26 * HOUR, verified=8 * DAY)


def of_drills(facts: DrillFacts) -> Finding:
    return areas.drills(facts, NOW, max_age=35 * DAY)


def of_load(facts: LoadFacts | None, target: str = "http://x") -> Finding:
    return areas.load_tests(facts, NOW, target=target, max_age=35 * DAY)


def alert(name: str, severity: str, *, pending: bool = False) -> Firing:
    return Firing(name, severity, f"{name} it is", NOW - HOUR, pending)


ALWAYS = alert("Watchdog", "none")


class TestBackups:
    def test_a_recent_one_that_is_copied_and_read_back_is_well(self) -> None:
        found = of_backups(WELL)

        assert found.condition is Condition.OK
        assert found.summary == "The newest is 1 h 00 min old."
        assert found.age_s(NOW) == 3600
        assert found.action == ""

    @pytest.mark.parametrize(
        ("facts", "condition", "said", "action"),
        [
            (replace(WELL, newest=None), "failing", "There is no backup", "onyx backup run"),
            (replace(WELL, newest=NOW - 27 * HOUR), "failing", "27 h 00 min", "onyx backup run"),
            (replace(WELL, untrusted=2), "failing", "2 sets", "onyx keys signers found"),
            (replace(WELL, damaged=1), "failing", "1 copy", "onyx catalog list"),
            (replace(WELL, behind=27 * HOUR), "failing", "second copy", "onyx doctor"),
            (replace(WELL, behind=None), "degraded", "no second store", "onyx doctor"),
            (replace(WELL, lacks=("qdrant",)), "degraded", "lacks", "onyx backup run"),
            (replace(WELL, doubts=("half of it",)), "degraded", "less than", "onyx catalog list"),
            (replace(WELL, verified_at=None), "degraded", "read back", "onyx verify latest"),
            (
                replace(WELL, verified_at=NOW - 9 * DAY),
                "degraded",
                "read back",
                "onyx verify latest",
            ),
        ],
    )
    def test_each_fault_is_said_with_what_to_do(
        self, facts: BackupFacts, condition: str, said: str, action: str
    ) -> None:
        found = of_backups(facts)

        assert (found.condition.value, found.action) == (condition, action)
        assert said in found.summary

    def test_of_several_the_worst_is_said_first(self) -> None:
        found = of_backups(replace(WELL, behind=None, untrusted=1))

        assert "signed by nobody" in found.summary
        assert any("second store" in line for line in found.details)

    def test_names_stay_among_the_details(self) -> None:
        found = of_backups(replace(WELL, lacks=("qdrant",), doubts=("database onyx: missing",)))

        assert "qdrant" not in found.summary
        assert "onyx" not in found.summary
        assert {"It lacks qdrant.", "database onyx: missing"} <= set(found.details)


class TestDrills:
    @pytest.mark.parametrize(
        ("facts", "condition"),
        [
            (DrillFacts(NOW - DAY), "ok"),
            (DrillFacts(NOW - 36 * DAY), "failing"),
            (DrillFacts(None), "failing"),
            (DrillFacts(NOW - 2 * DAY, failed_at=NOW - DAY), "failing"),
        ],
    )
    def test_only_a_recent_one_that_passed_proves_anything(
        self, facts: DrillFacts, condition: str
    ) -> None:
        assert of_drills(facts).condition.value == condition

    def test_the_evidence_of_a_failure_is_the_failed_one(self) -> None:
        found = of_drills(DrillFacts(NOW - 2 * DAY, failed_at=NOW - DAY))

        assert found.age_s(NOW) == DAY.total_seconds()


class TestLoadTests:
    @pytest.mark.parametrize(
        ("facts", "condition"),
        [
            (LoadFacts(LoadVerdict.PASSED, NOW - DAY), "ok"),
            (LoadFacts(LoadVerdict.FAILED, NOW - DAY), "degraded"),
            (LoadFacts(LoadVerdict.PASSED, NOW - DAY, regressed=1), "degraded"),
            (LoadFacts(LoadVerdict.INVALID, NOW - DAY), "unknown"),
            (LoadFacts(LoadVerdict.INCONCLUSIVE, NOW - DAY), "unknown"),
            (LoadFacts(LoadVerdict.PASSED, NOW - 36 * DAY), "unknown"),
            (None, "unknown"),
        ],
    )
    def test_what_proves_nothing_is_not_well(self, facts: LoadFacts | None, condition: str) -> None:
        assert of_load(facts).condition.value == condition

    def test_without_a_target_the_action_names_the_setting(self) -> None:
        assert "ONYX_LOAD_TEST_URL" in of_load(None, target="").action


class TestScraping:
    WELL = Scraping("onyx", is_up=True, interval_s=15, age_s=4)
    LATE = replace(WELL, service="redis", age_s=90, problem="redis was last scraped 90 s ago.")
    DOWN = Scraping("qdrant", is_up=False, interval_s=15, age_s=4, problem="qdrant at q: refused")

    def test_all_that_are_scraped_are_well(self) -> None:
        found = areas.scraping([self.WELL], NOW)

        assert found.condition is Condition.OK
        assert found.age_s(NOW) == 4

    def test_one_that_is_late_is_worth_a_look(self) -> None:
        found = areas.scraping([self.WELL, self.LATE], NOW)

        assert found.condition is Condition.DEGRADED
        assert found.details == ("redis was last scraped 90 s ago.",)

    def test_one_that_is_down_fails_and_its_log_is_next(self) -> None:
        found = areas.scraping([self.WELL, self.LATE, self.DOWN], NOW)

        assert found.condition is Condition.FAILING
        assert found.summary == "1 of 3 services not scraped."
        assert found.action == "docker compose logs --tail 50 qdrant"


class TestAlerts:
    @pytest.mark.parametrize(
        ("fired", "condition"),
        [
            ([], "ok"),
            ([alert("RedisDown", "critical")], "failing"),
            ([alert("DrillStale", "warning")], "degraded"),
            ([alert("DrillStale", "warning"), alert("RedisDown", "critical")], "failing"),
            ([alert("RedisDown", "critical", pending=True)], "ok"),
            ([alert("StackFailing", "warning")], "ok"),
        ],
    )
    def test_what_fires_decides_but_for_what_speaks_of_the_whole(
        self, fired: list[Firing], condition: str
    ) -> None:
        assert areas.alerts([ALWAYS, *fired], NOW).condition.value == condition

    @pytest.mark.parametrize("fired", [[], [alert("Watchdog", "none", pending=True)]])
    def test_without_the_one_that_fires_always_nothing_is_known(self, fired: list[Firing]) -> None:
        assert areas.alerts(fired, NOW).condition is Condition.UNKNOWN


class TestErrors:
    WELL = ErrorFacts(
        (Verdict.PASSED, "within"), digest=(Verdict.PASSED, "sent"), digest_at=NOW - HOUR
    )

    def test_few_that_arrive_and_are_told_are_well(self) -> None:
        found = areas.errors(self.WELL)

        assert (found.condition, found.age_s(NOW)) == (Condition.OK, 3600)

    @pytest.mark.parametrize(
        ("changes", "condition", "action"),
        [
            ({"rate": (Verdict.FAILED, "suna")}, "failing", "onyx errors rate"),
            ({"rate": None}, "unknown", "onyx errors rate"),
            ({"rate": (Verdict.COULD_NOT_VERIFY, "no request")}, "ok", ""),
            ({"delivery_is_late": True}, "degraded", "onyx errors digest --dry-run"),
            ({"digest": (Verdict.FAILED, "Waits")}, "degraded", "onyx errors digest"),
            ({"digest": None}, "ok", ""),
        ],
    )
    def test_each_fault_is_said_with_what_to_do(
        self, changes: dict[str, Any], condition: str, action: str
    ) -> None:
        found = areas.errors(replace(self.WELL, **changes))

        assert (found.condition.value, found.action) == (condition, action)


def test_what_is_not_there_yet_is_named_as_not_watched() -> None:
    found = areas.not_watched(Area.ERRORS, "error tracking")

    assert found.condition is Condition.NOT_WATCHED
    assert found.summary == "Not watched yet: there is no error tracking."
