"""Trails for tests: deeds, and whole chains of them in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from onyx_pipelines.audit.chain import ChainReport, Head, Line, Severity, examine, split_lines
from onyx_pipelines.audit.origin import Channel, Origin
from onyx_pipelines.audit.records import FIRST_PREVIOUS, Deed, Outcome, Phase, Result, make_record

TRAIL = "00112233445566aa"
ALICE = Origin(channel=Channel.CLI, actor="alice", host="vps", address="192.0.2.7")
BEGAN = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


def deed(number: int = 1, *, phase: Phase = Phase.END, action: str = "hold") -> Deed:
    return Deed(
        operation=f"operation-{number}",
        phase=phase,
        action=action,
        origin=ALICE,
        parameters={"set": "latest", "reason": f"number {number}"},
        result=Result(outcome=Outcome.OK, detail="gehört zur Prüfung"),
    )


def chain_of(count: int, *, trail: str = TRAIL) -> tuple[list[bytes], Head]:
    """Lines of a good trail, and its head."""
    lines: list[bytes] = []
    previous = FIRST_PREVIOUS
    for number in range(1, count + 1):
        record = make_record(
            deed(number),
            trail=trail,
            sequence=number,
            previous=previous,
            time=BEGAN + timedelta(minutes=number),
        )
        previous = record.hash
        lines.append(record.line())
    return lines, Head(trail, count, previous)


def report_on(lines: Sequence[bytes], head: Head | None) -> ChainReport:
    data = b"".join(line + b"\n" for line in lines)
    return examine(split_lines("trail.jsonl", data), head=head)


def problem_lines(report: ChainReport) -> set[int | None]:
    return {each.line for each in report.findings if each.severity is Severity.PROBLEM}


def problem_sequences(report: ChainReport) -> set[int | None]:
    return {each.sequence for each in report.findings if each.severity is Severity.PROBLEM}


def lines_of(data: bytes) -> list[Line]:
    return list(split_lines("trail.jsonl", data))
