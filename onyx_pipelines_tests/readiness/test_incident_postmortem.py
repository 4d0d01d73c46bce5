"""What the timeline and the draft of a post-mortem say, and that nobody's work on it is lost."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from onyx_pipelines.audit import Channel, Origin, audited
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.errors.what_changed import Change, ChangeKind
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.incidents.deciding import acknowledged, closed, looked_at
from onyx_pipelines.readiness.incidents.postmortem import PostMortem, as_markdown, write_postmortem
from onyx_pipelines.readiness.incidents.record import Incident, triage_seen
from onyx_pipelines.readiness.incidents.timeline import Source, Timeline, merged, timeline_of
from onyx_pipelines.reporting.publish import ReportError
from onyx_pipelines_tests.readiness.made_incidents import MINUTE, NOW, after, alert, triage_of


def over(title: str = "PostgresqlDown in a sentence") -> Incident:
    """Fired at 08:59, heard at 09:00, taken at 09:04, over at 09:20."""
    (found,) = after([], alert(began=NOW - MINUTE))
    found = found.model_copy(update={"title": title})
    seen = triage_seen(triage_of(Playbook.DATABASE_FAILURE), 1)
    found = looked_at(found, seen.model_copy(update={"at": NOW + timedelta(seconds=8)}))
    found = acknowledged(found, "ann", NOW + 4 * MINUTE)
    return closed(found, "ann", "started it again", NOW + 20 * MINUTE)


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    return load_settings({"state_dir": tmp_path / "state", "reports_dir": tmp_path / "reports"})


def test_records_are_merged_in_the_order_of_time() -> None:
    done = Change(ChangeKind.RESTORE, NOW + 10 * MINUTE, "restore, by ann: passed")
    long_ago = Change(ChangeKind.BACKUP, NOW - timedelta(hours=2), "nightly_backup succeeded")
    own = Change(ChangeKind.OTHER, NOW + 4 * MINUTE, "incident.ack, by ann: ok")

    lines = merged(over(), [done, long_ago, own], NOW + 30 * MINUTE)

    assert [(each.source, each.text.split(" in ")[0]) for each in lines] == [
        (Source.ALERT, "PostgresqlDown of postgresql fires: PostgresqlDown"),
        (Source.INCIDENT, "Opened by alert PostgresqlDown"),
        (Source.TRIAGE, lines[2].text),
        (Source.INCIDENT, "Acknowledged by ann"),
        (Source.RECORD, "restore, by ann: passed"),
        (Source.INCIDENT, "Closed by ann: started it again"),
    ]


def test_what_was_done_by_hand_meanwhile_is_in_the_timeline(own: Settings) -> None:
    (found,) = after([], alert())
    origin = Origin(channel=Channel.CLI, actor="ann", host="here")
    with audited(own, action="restore", origin=origin, copy=False) as entry:
        entry.result(verdict="passed")

    lines = timeline_of(own, found).lines

    assert [each.text for each in lines if each.source is Source.RECORD] == [
        "restore, by ann: passed"
    ]


def test_a_record_that_cannot_be_read_is_named(own: Settings) -> None:
    (own.state_dir / "audit" / "trail.jsonl").mkdir(parents=True)

    assert timeline_of(own, over()).unknown == (
        "Not known: what was done by hand; the audit trail cannot be read.",
    )


def test_the_draft_has_what_is_known_and_leaves_the_rest_to_people(own: Settings) -> None:
    draft = write_postmortem(own, over(), NOW).result.read_text()

    headings = re.findall(r"^##? (.*)$", draft, re.MULTILINE)
    assert headings == [
        "Post-mortem: The database fails",
        "Summary",
        "Impact",
        "Timeline",
        "What triage found",
        "Cause",
        "What went well, what did not",
        "Follow-ups",
    ]
    assert "after 1 min 00 s |" in draft  # detected
    assert "by ann, after 4 min 00 s |" in draft
    assert "after 21 min 00 s |" in draft  # repaired
    assert "Nobody can sign in" in draft
    assert "docker compose logs" in draft


def test_a_draft_that_people_work_on_is_kept(own: Settings) -> None:
    written = write_postmortem(own, over(), NOW)
    written.result.write_text("our own words")

    with pytest.raises(ReportError, match="There is a draft already"):
        write_postmortem(own, over(), NOW)

    assert written.result.read_text() == "our own words"
    write_postmortem(own, over(), NOW, replace=True)
    assert "Post-mortem" in written.result.read_text()


@pytest.mark.parametrize("title", ["<script>x</script>", "[a](http://evil)", "a|b\n# c", "`x`"])
def test_foreign_text_is_text(title: str, own: Settings) -> None:
    unexplained = over(title).model_copy(update={"triages": ()})

    draft = as_markdown(PostMortem(unexplained, Timeline(()), NOW))
    page = write_postmortem(own, unexplained, NOW).html.read_text()

    assert title not in draft
    assert "<script>x" not in page
