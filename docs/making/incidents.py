"""docs/INCIDENTS.md, from the playbooks, the decision tree and the rules (AC9.5.1 to AC9.5.3)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import timedelta

from docs.making.words import one_line
from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.core.text import limit_text
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.monitoring.rules.rule import Alert, Severity
from onyx_pipelines.readiness.decision_tree import as_mermaid, as_text, decision_tree
from onyx_pipelines.readiness.playbook import IncidentPlaybook, Step, playbooks

_HEAD = """\
# Incidents

<!-- Written from onyx_pipelines/readiness/playbooks/*.yaml by `make docs`: change those. -->

Something is wrong. `onyx triage` walks all of these playbooks at once, by their steps that only
read, and says within ten seconds which one fits, why, and what could not be looked at
([how often it is right](diagnosis.md)). Without it, answer at most three questions.
[Game days](game_days.md) show that alert, diagnosis and commands work, and how long each takes:
"""
_SEVERITIES = """\
## Severity, and who is told

| severity | who is hit | who is told |
|---|---|---|
| critical | people cannot work, or data is in danger | the owner at once, then as the page says |
| warning | nobody yet | Slack, within the day |

One person leads, and says so in the incident's channel: *I lead this incident.* Whoever leads does
not type commands where a second person is there. Assume the worse of two severities until you
know. What is restored, stopped or deleted is written down with its time; the audit trail keeps
what `onyx` did. Say that you have it (`onyx incident ack`, or the link in the message), else the
next ones are called: [From the alert to the post-mortem](incident_records.md).
"""


def page() -> str:
    """The whole page, in Markdown."""
    tree = decision_tree()
    lines = [
        *(_HEAD, "```mermaid", *as_mermaid(tree), "```", ""),
        *("The same as text (`onyx triage --tree`):", "", "```text", *as_text(tree), "```", ""),
        *(_SEVERITIES, "## Playbooks", "", "| what | severity | alerts |", "|---|---|---|"),
    ]
    for each in playbooks():
        alerts = ", ".join(alert.name for alert in _alerts(each.id))
        lines.append(f"| [{each.title}](#{each.id}) | {each.severity} | {alerts} |")
    for each in playbooks():
        lines += ["", *_playbook(each)]
    return "\n".join(lines) + "\n"


def _playbook(written: IncidentPlaybook) -> Iterator[str]:
    yield f'<a id="{written.id}"></a>'
    yield ""
    yield f"## {written.title}"
    yield ""
    yield f"**Severity:** {written.severity}. **Owner:** {written.owner}; then"
    yield f"{written.backup_owner}. **Impact:** {written.impact}"
    yield from _list("Symptoms", written.symptoms)
    yield from ("", "### Diagnosis", "", "| question | how | healthy | otherwise |")
    yield "|---|---|---|---|"
    for step in written.diagnosis:
        mark = "**" if step.is_decisive else ""
        cells = (f"{mark}{one_line(step.asks)}{mark}", _how(step), step.healthy, step.otherwise)
        yield f"| {' | '.join(one_line(cell) for cell in cells)} |".replace("\\\\|", "\\|")
    yield from ("", "A step in bold alone says that this is the right playbook.")
    yield from ("", "### Resolution", "")
    for number, action in enumerate(written.resolution, 1):
        yield f"{number}. {action.do}"
        if action.command:
            yield from ("", "    ```sh", f"    {action.command}", "    ```", "")
        yield f"    {action.effect}{f' Taken back by `{action.undo}`.' if action.undo else ''}"
    yield from ("", "### It is over when", "")
    for each in written.recovered:
        yield f"- {each.asks} `{each.query}` {each.healthy_words}, for ten minutes."
    yield from _list("Prevention", written.prevention)
    yield from ("", "### Escalation", "")
    for step in written.escalation:
        yield f"- After {_span(step.after)}: {step.to}, told {step.told}."
    said = written.communication
    yield from ("", "### What is said to those who use it", "")
    yield f"> **At first.** {said.first}"
    yield from (">", f"> **Meanwhile.** {said.update}", ">", f"> **In the end.** {said.resolved}")


def _list(heading: str, lines: tuple[str, ...]) -> Iterator[str]:
    yield from ("", f"### {heading}", "")
    yield from (f"- {each}" for each in lines)


def _how(step: Step) -> str:
    if step.query:
        return f"`{step.query}` {step.measured.healthy_words}"
    if step.command:
        return f"`{shlex.join(step.command)}`"
    return f"`onyx health`: {step.area.words if step.area else ''}"


def _span(span: timedelta) -> str:
    return limit_text(span.total_seconds())


def _alerts(playbook: Playbook) -> list[Alert]:
    found = (alert for group in groups(Thresholds()) for alert in group.alerts)
    return [
        alert
        for alert in found
        if alert.playbook is playbook and alert.severity is not Severity.NONE
    ]
