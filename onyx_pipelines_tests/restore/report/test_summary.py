"""What a report says first."""

from __future__ import annotations

import shlex

from onyx_pipelines.restore.report.summary import (
    headline,
    problems,
    recovery_against_objective,
    recovery_notes,
    recovery_text,
    reproduce_command,
)
from onyx_pipelines.sources.source import Component
from onyx_pipelines_tests.restore.report.drills import (
    component,
    drill,
    failed,
    finding,
    unrestored,
    unverified,
)


def test_a_healthy_drill_says_how_much_was_compared() -> None:
    assert headline(drill(component())) == "All 1 comparisons passed."


def test_a_failed_drill_names_the_worst_findings_and_counts_the_rest() -> None:
    findings = (finding(), unverified("images"), *(failed(f"t{i}") for i in range(4)))

    assert headline(drill(component(findings=findings))) == (
        "4 of 6 comparisons failed, 1 could not be made: t0 (rows), t1 (rows), t2 (rows)"
        " and 2 more."
    )


def test_an_unverified_drill_names_what_could_not_be_compared() -> None:
    result = drill(component(findings=(finding(), unverified("images"))))

    assert headline(result) == "1 of 2 comparisons could not be made: images (points)."


def test_a_component_without_findings_is_a_problem_that_has_a_name() -> None:
    result = drill(component(), component(Component.QDRANT, findings=()))

    assert [problem.finding.item for problem in problems(result)] == ["Qdrant"]
    assert headline(result) == "1 of 2 comparisons could not be made: Qdrant (comparison)."


def test_a_drill_that_stopped_early_says_so_before_anything_else() -> None:
    result = drill(component(findings=(failed("t"),)), error="The disk is full")

    assert headline(result).startswith("The drill stopped early: The disk is full. 1 of 1")


def test_a_drill_of_nothing_verified_nothing() -> None:
    assert headline(drill()) == "No component was restored, so nothing was verified."


def test_a_pass_that_took_too_long_says_so_in_its_headline() -> None:
    result = drill(component(restore_s=3600))

    assert headline(result).endswith("Recovery took 1 h 00 min, over the objective of 60 min.")
    assert recovery_against_objective(result) == "Over the objective of 60 min (100 % of it)."


def test_a_drill_that_stopped_early_has_no_recovery_time() -> None:
    result = drill(component(), error="The disk is full.")

    assert recovery_text(result) == "not measured"
    assert recovery_against_objective(result) == "The objective is 60 min."


def test_a_component_that_was_not_restored_takes_the_recovery_time_away() -> None:
    result = drill(component(), unrestored(Component.QDRANT, (unverified("images"),)))

    assert recovery_text(result) == "not measured"
    assert "Not restored: Qdrant." in recovery_notes(result)


def test_an_empty_component_that_passed_does_not() -> None:
    result = drill(component(), unrestored(Component.VOLUMES, (finding(),)))

    assert recovery_text(result) == "42.0 s"


def test_an_extrapolated_recovery_time_says_what_it_rests_on() -> None:
    result = drill(component(share=0.1))

    assert recovery_text(result) == "6 min 42 s"
    assert recovery_notes(result)[0] == (
        "Extrapolated: 10 % of PostgreSQL was restored, in 42.0 s measured for the whole drill."
    )


def test_components_that_were_left_out_are_named() -> None:
    assert recovery_notes(drill(component())) == ["Not drilled: Qdrant and Volumes."]


def test_problems_stand_in_the_order_of_their_weight() -> None:
    result = drill(
        component(findings=(unverified("a"), failed("b"))),
        component(Component.QDRANT, (failed("c"),)),
    )

    assert [problem.finding.item for problem in problems(result)] == ["b", "c", "a"]


def test_the_command_to_repeat_it_survives_a_shell() -> None:
    result = drill(component()).model_copy(update={"store": "a; rm -rf b"})

    assert shlex.split(reproduce_command(result)) == [
        *("onyx", "drill", result.backup_id),
        *("--from", "a; rm -rf b"),
    ]
