"""A triage as data for programs."""

from __future__ import annotations

from typing import Any

from onyx_pipelines.readiness.diagnosis import Considered, Evidence, Triage


def as_json(triage: Triage, docs_url: str) -> dict[str, Any]:
    """Args:
    docs_url: where people read docs/, without a slash at its end.
    """

    def considered(each: Considered) -> dict[str, Any]:
        return {
            "playbook": each.playbook.id.value,
            "title": each.playbook.title,
            "severity": each.playbook.severity.value,
            "link": each.playbook.id.link(docs_url),
            "next_action": each.next_action,
            "evidence": [_evidence(step) for step in each.evidence],
        }

    return {
        "at": triage.at,
        "took_s": round(triage.took_s, 3),
        "sentence": triage.sentence,
        "named": [considered(each) for each in triage.named],
        "ruled_out": [considered(each) for each in triage.ruled_out],
        "could_not_tell": [considered(each) for each in triage.could_not_tell],
    }


def _evidence(each: Evidence) -> dict[str, Any]:
    return {
        "step": each.step.id,
        "asks": each.step.asks,
        "outcome": each.outcome.value,
        "seen": each.text,
        "means": each.means,
        "is_decisive": each.step.is_decisive,
    }
