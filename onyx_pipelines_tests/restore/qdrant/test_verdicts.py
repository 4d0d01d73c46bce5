"""The verdict is drawn from what is certain: what stayed must be there, the rest may have moved."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.restore.qdrant.comparison import CONTENT, POINTS, compare_collection, loss_seen
from onyx_pipelines.restore.qdrant.edge_protocol import EdgeAnswer
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.sources.qdrant.facts import CollectionFacts, PointFacts


def points(*ids: int, content: str = "a") -> tuple[PointFacts, ...]:
    return tuple(PointFacts(id=each, fingerprint=content * 64) for each in ids)


def facts(stayed: Sequence[PointFacts], **told: Any) -> CollectionFacts:
    return CollectionFacts.model_validate(
        {
            "collection": "c",
            "server_version": "1.18.3",
            "points_before": len(stayed),
            "points_after": len(stayed),
            "config": {},
            "payload_schema": {},
            "aliases": (),
            "sample": stayed,
            "sample_is_all": True,
            "query": None,
            "snapshot_bytes": 1,
            "snapshot_sha256": "0" * 64,
            "checksum_source": "server",
            **told,
        }
    )


def compared(
    expected: CollectionFacts, found: Sequence[PointFacts], count: int | None = None
) -> list[Finding]:
    answer = EdgeAnswer(
        count=len(found) if count is None else count,
        points=tuple(found),
        neighbours=(),
        engine="test",
    )
    return compare_collection(expected, {}, {}, answer)


def verdict(findings: Sequence[Finding]) -> Verdict:
    return worst(each.verdict for each in findings)


def said(findings: Sequence[Finding], aspect: str) -> str:
    return " ".join(each.message for each in findings if each.aspect == aspect)


def left_open(findings: Sequence[Finding]) -> str:
    return " ".join(each.limits for each in findings)


class TestWhereNothingMoved:
    def test_all_points_are_the_same(self) -> None:
        findings = compared(facts(points(1, 2, 3)), points(3, 1, 2))

        assert verdict(findings) is Verdict.PASSED
        assert said(findings, CONTENT) == "all 3 points are the same"
        assert left_open(findings).strip() == ""

    def test_one_point_lost_is_found(self) -> None:
        findings = compared(facts(points(1, 2, 3)), points(1, 3))

        assert verdict(findings) is Verdict.FAILED
        assert said(findings, POINTS) == "the number of points differs"
        assert said(findings, CONTENT) == "point 2 is missing"

    def test_one_point_too_many_is_found(self) -> None:
        findings = compared(facts(points(1, 2)), points(1, 2, 7))

        assert said(findings, CONTENT) == (
            "point 7 is there, and was neither before nor after the snapshot"
        )

    def test_one_point_of_other_content_is_found(self) -> None:
        findings = compared(facts(points(1, 2)), (*points(1), *points(2, content="b")))

        assert said(findings, CONTENT) == "point 2 has another vector or payload"

    def test_an_empty_collection_is_empty(self) -> None:
        assert verdict(compared(facts(()), ())) is Verdict.PASSED

    def test_points_in_what_was_an_empty_collection_are_found(self) -> None:
        assert verdict(compared(facts(()), points(1))) is Verdict.FAILED

    def test_that_thousands_are_gone_is_said_in_a_few_lines(self) -> None:
        findings = compared(facts(points(*range(3000))), ())

        assert len(findings) < 15
        assert "and 2,990 points more differ" in said(findings, CONTENT)


@pytest.mark.parametrize(
    ("found", "aspect", "message"),
    [
        ({"wrong_indexes": ("tag",)}, "indexes", "the payload index tag finds other points"),
        ({"ignores_updates": True}, "updates", "what is written to a restored point is ignored"),
    ],
)
def test_a_collection_that_would_not_work_fails_though_all_points_are_there(
    found: dict[str, Any], aspect: str, message: str
) -> None:
    answer = EdgeAnswer(count=1, points=points(1), neighbours=(), engine="test", **found)

    findings = compare_collection(facts(points(1)), {}, {}, answer)

    assert verdict(findings) is Verdict.FAILED
    assert said(findings, aspect).startswith(message)


class TestWhereSomebodyWrote:
    def moving(self, **told: Any) -> CollectionFacts:
        """10 of 20 points stayed, of which some others were seen before or after."""
        defaults = {"points_before": 16, "points_after": 14, "moved": tuple(range(10, 20))}
        return facts(points(*range(10)), **{**defaults, **told})

    @pytest.mark.parametrize("others", [(), (10, 11), tuple(range(10, 20)), (10, 30, 31, 32)])
    def test_any_count_is_moving_if_those_that_stayed_are_there(
        self, others: tuple[int, ...]
    ) -> None:
        there = (*points(*range(10)), *points(*others, content="c"))

        findings = compared(self.moving(), there)

        assert verdict(findings) is Verdict.PASSED
        assert said(findings, POINTS) == (
            f"moving: 16 points before, 14 after, {len(there)} in the snapshot"
        )
        assert "10 points that stayed as they were are the same" in said(findings, CONTENT)
        assert "the loss of 36.9% or more of all would have been seen" in left_open(findings)
        assert "moving: 16 points before" in left_open(findings)

    def test_one_that_stayed_and_is_missing_is_found(self) -> None:
        findings = compared(self.moving(), points(*range(9), *range(10, 20)))

        assert said(findings, CONTENT) == "point 9 is missing"

    def test_one_that_stayed_and_has_other_content_is_found(self) -> None:
        there = (*points(*range(9)), *points(9, content="b"))

        assert verdict(compared(self.moving(), there)) is Verdict.FAILED

    def test_deleted_points_that_are_there_again_are_found(self) -> None:
        """More of them than were seen to come or go."""
        findings = compared(self.moving(), points(*range(10), *range(50, 61)))

        assert verdict(findings) is Verdict.FAILED
        assert "was neither before nor after" in said(findings, CONTENT)

    def test_with_as_many_points_as_before_is_moving_all_the_same(self) -> None:
        """As many came as went."""
        moving = self.moving(points_before=10, points_after=10)

        findings = compared(moving, points(*range(10)))

        assert said(findings, POINTS).startswith("moving: 10 points before, 10 after, 10 in")

    def test_that_nothing_stayed_is_not_verified(self) -> None:
        findings = compared(self.moving(sample=()), points(10, 11))

        assert verdict(findings) is Verdict.COULD_NOT_VERIFY


class TestASample:
    def sampled(self, **told: Any) -> CollectionFacts:
        """500 points of 100,000."""
        defaults = {"sample_is_all": False, "points_before": 100_000, "points_after": 100_000}
        return facts(points(*range(500)), **{**defaults, **told})

    def test_says_what_it_would_have_missed(self) -> None:
        findings = compared(self.sampled(writes_seen=False), points(*range(500)), 100_000)

        assert verdict(findings) is Verdict.PASSED
        assert said(findings, POINTS) == "100,000 points"
        assert "500 of 100,000 points are the same; the loss of 0.9%" in left_open(findings)

    def test_where_nobody_wrote_has_an_exact_count_beside_it(self) -> None:
        findings = compared(self.sampled(writes_seen=False), points(*range(500)), 99_999)

        assert verdict(findings) is Verdict.FAILED

    def test_where_somebody_wrote_has_none(self) -> None:
        findings = compared(self.sampled(writes_seen=True), points(*range(500)), 99_999)

        assert verdict(findings) is Verdict.PASSED
        assert said(findings, POINTS).startswith("moving: 100,000 points before, 100,000 after")

    def test_where_somebody_wrote_elsewhere_has_the_count_that_is_always_the_same(self) -> None:
        findings = compared(self.sampled(writes_seen=True), points(*range(500)), 100_000)

        assert said(findings, POINTS) == "100,000 points"

    def test_where_the_server_does_not_say_is_not_verified(self) -> None:
        findings = compared(self.sampled(), points(*range(500)), 99_999)

        assert verdict(findings) is Verdict.COULD_NOT_VERIFY
        assert "the server does not say which" in said(findings, POINTS)

    def test_of_the_first_version_has_the_count_that_both_counts_agree_on(self) -> None:
        findings = compared(self.sampled(format_version=1), points(*range(500)), 99_999)

        assert verdict(findings) is Verdict.FAILED

    def test_of_nothing_is_not_verified(self) -> None:
        findings = compared(self.sampled(sample=(), writes_seen=False), (), 100_000)

        assert verdict(findings) is Verdict.COULD_NOT_VERIFY

    def test_of_500_shows_a_loss_of_2_percent_with_99_percent_certainty(self) -> None:
        """Also where half of it moved meanwhile."""
        chance = random.Random(7)
        expected = self.sampled(sample=points(*range(250)), writes_seen=True)
        seen = 0
        for _ in range(1000):
            there = [each for each in expected.sample if chance.random() >= 0.02]
            seen += verdict(compared(expected, there, 98_000)) is Verdict.FAILED

        assert loss_seen(250) < 0.02
        assert seen >= 985
