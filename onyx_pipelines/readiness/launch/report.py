"""A review as a page: what blocks first, then the progress of each section, then every item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from onyx_pipelines.core.text import count_text, day_text, moment_text, second_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.readiness.launch.checklist import Checklist, Item
from onyx_pipelines.readiness.launch.verdicts import ItemResult, LaunchReview, Progress
from onyx_pipelines.reporting.palette import badge
from onyx_pipelines.reporting.publish import Published, point_latest_at_newest, publish
from onyx_pipelines.reporting.tables import Cell, Mark, Table, plain_table

FOLDER: Final = "launch"
RESULT_FILE: Final = "review.json"
_COMMAND: Final = "onyx launch check --all"
_BADGES: Final = {
    Verdict.PASSED: badge("passed", "passed"),
    Verdict.FAILED: badge("failed", "failed"),
    Verdict.COULD_NOT_VERIFY: badge("could-not-verify", "could not verify"),
}
_STRIPS: Final = {
    Verdict.PASSED: badge("passed", "ready"),
    Verdict.FAILED: badge("failed", "not ready"),
    Verdict.COULD_NOT_VERIFY: badge("could-not-verify", "not ready"),
}
_STATES: Final = (
    ("passed", "passed"),
    ("failed", "failed"),
    ("could-not-verify", "could not be verified"),
)


def write_review(review: LaunchReview, asked: Checklist, reports_dir: Path) -> Published:
    """Write `reports_dir/launch/<day>/`, over an earlier page of the day.

    Raises:
        ReportError: nothing was written, or (a day written again) not everything.
    """
    published = publish(
        reports_dir / FOLDER / day_text(review.at),
        page(review, asked),
        RESULT_FILE,
        review.model_dump_json(indent=1),
        remedy="Launch `launch_checklist` again.",
    )
    point_latest_at_newest(reports_dir / FOLDER)
    return published


def page(review: LaunchReview, asked: Checklist) -> str:
    """The whole page."""
    from onyx_pipelines.reporting.pages import render

    verdict = review.verdict(asked)
    blockers = review.blockers(asked)
    return render(
        "launch",
        stack=review.stack,
        title="Ready to go live" if verdict is Verdict.PASSED else "Not ready to go live",
        subtitle=f"Launch checklist, {second_text(review.at)}",
        verdict=_STRIPS[verdict],
        headline=_headline(review, asked),
        blockers=items_table(blockers),
        progress=progress_table(review, asked),
        progress_note=f"{review.whole(asked).sentence}.",
        states=_STATES,
        sections=[
            (each.title, f"{review.progress(each).sentence}.", items_table(review.of(each)))
            for each in asked.sections
        ],
        command=_COMMAND,
        reproduction=[("looked at", second_text(review.at)), ("commit", review.commit)],
    )


def progress_table(review: LaunchReview, asked: Checklist) -> Table:
    """A row of each section."""
    rows = []
    for section in asked.sections:
        of = review.progress(section)
        rows.append((section.title, Cell(marks=_marks(of)), f"{of.passed} of {of.all}"))
    columns = (("Section", "name"), ("Progress", "track"), ("Passed", "took"))
    return plain_table(columns, rows)


def _marks(of: Progress) -> tuple[Mark, ...]:
    counts = (of.passed, of.failed, of.could_not_verify)
    marks, left = [], 0.0
    for (role, words), count in zip(_STATES, counts, strict=True):
        width = 100 * count / of.all
        if count:
            marks.append(Mark("bar", role, left, width, f"{count_text(count, 'item')} {words}"))
        left += width
    return tuple(marks)


def items_table(pairs: Sequence[tuple[Item, ItemResult]]) -> Table:
    """A row of each."""
    return plain_table(
        (
            ("What has to be true", "name full"),
            ("Verdict", ""),
            ("Owner", ""),
            ("What was found", "value full"),
        ),
        [
            (
                Cell(item.asks, notes=(f"{item.id}{'' if item.blocks else ', does not block'}",)),
                Cell(badge=_BADGES[result.verdict]),
                item.owner.value,
                Cell(result.found, notes=tuple(_counts_until(result))),
            )
            for item, result in pairs
        ],
    )


def _counts_until(result: ItemResult) -> Iterator[str]:
    """Of a pass: what is none counts for nothing already."""
    if result.verdict is Verdict.PASSED and result.expires_at is not None:
        yield f"counts until {moment_text(result.expires_at)}"


def _headline(review: LaunchReview, asked: Checklist) -> str:
    blockers = [result.verdict for _, result in review.blockers(asked)]
    if not blockers:
        return "Every item that blocks has passed."
    failed = blockers.count(Verdict.FAILED)
    unknown = len(blockers) - failed
    said = [f"{failed} failed"] * bool(failed) + [f"{unknown} could not be verified"] * bool(
        unknown
    )
    return f"Of {count_text(len(blockers), 'item')} that block it, {', '.join(said)}."
