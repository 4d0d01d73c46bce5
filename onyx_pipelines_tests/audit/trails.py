"""Trails for tests: events, and whole chains of them in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from onyx_pipelines.audit.chain import Chain, Severity, examine, split_lines
from onyx_pipelines.audit.origin import Channel, Origin
from onyx_pipelines.audit.records import (
    AuditEvent,
    Head,
    Outcome,
    Phase,
    Result,
    make_record,
)

TRAIL = "00112233445566aa"
ALICE = Origin(channel=Channel.CLI, actor="alice", host="vps", address="192.0.2.7")
BEGAN = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


def event(number: int = 1, *, phase: Phase = Phase.END, action: str = "hold") -> AuditEvent:
    return AuditEvent(
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
    head = Head(trail=trail)
    for number in range(1, count + 1):
        time = BEGAN + timedelta(minutes=number)
        record = make_record(event(number), after=head, time=time)
        head = record.head
        lines.append(record.line())
    return lines, head


def report_on(lines: Sequence[bytes], head: Head | None) -> Chain:
    return report_on_file(b"".join(line + b"\n" for line in lines), head)


def report_on_file(data: bytes, head: Head | None) -> Chain:
    return examine(list(split_lines("trail.jsonl", data)), head=head)


def first_misfit(report: Chain) -> tuple[int | None, int | None]:
    """Line and number of the record that belongs there, of the one problem that is found."""
    [problem] = [each for each in report.findings if each.severity is Severity.PROBLEM]
    return problem.line, problem.sequence
