"""What is promised of game days, and whether it is kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from onyx_pipelines.core.text import count_text, list_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.rehearsals.record import Rehearsal


def rehearsed_answer(
    newest: Mapping[str, Rehearsal], now: datetime, max_age: timedelta
) -> tuple[Verdict, str]:
    """Whether each playbook's last rehearsal passed within `max_age`. One that never was, or is
    older, proves nothing; one that failed does."""
    failed = [name for name, each in newest.items() if each.verdict is Verdict.FAILED]
    if failed:
        first = newest[failed[0]]
        return Verdict.FAILED, f"{list_text(failed)} failed: {' '.join(first.problems)}"
    never = [each.value for each in Playbook if each.value not in newest]
    old = [
        name
        for name, each in newest.items()
        if each.verdict is Verdict.COULD_NOT_VERIFY or now - each.struck_at > max_age
    ]
    if never or old:
        said = [
            f"{words}: {list_text(names)}"
            for words, names in (("never rehearsed", never), ("too long ago, or not struck", old))
            if names
        ]
        return Verdict.COULD_NOT_VERIFY, f"{'; '.join(said)}. Run `onyx rehearse --all`."
    days = count_text(max_age.days, "day")
    return Verdict.PASSED, f"All {count_text(len(Playbook), 'playbook')} passed within {days}."
