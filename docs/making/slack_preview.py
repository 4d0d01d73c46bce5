"""Draws docs/pictures/preview-slack.png anew: `python -m docs.making.slack_preview`.

The blocks are the relay's own, of made-up errors. It is a preview: Slack draws them otherwise.
"""

from __future__ import annotations

import html
import re
import shutil
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from playwright.sync_api import sync_playwright

from docs.making.pages import DOCS
from docs.making.pictures import smaller
from onyx_pipelines.errors.relay.deciding import Telling
from onyx_pipelines.errors.relay.memory import Issue
from onyx_pipelines.errors.relay.severity import Severity
from onyx_pipelines.errors.relay.signal import Reason, Signal, Source
from onyx_pipelines.errors.relay.wording import event_of
from onyx_pipelines.errors.what_changed import (
    Change,
    ChangeKind,
    Findings,
    RateChange,
    Share,
    told,
)
from onyx_pipelines.notify.channels.slack import message
from onyx_pipelines.notify.event import Event
from onyx_pipelines.notify.rolling_up import rolled_up

_NOW: Final = datetime(2026, 11, 27, 14, 12, tzinfo=UTC)
_WIDTH: Final = 760
_LINK: Final = re.compile(r"&lt;([^|&]*)\|(.*?)&gt;")
_STYLE: Final = """
body{font:15px/1.45 'Lato','DejaVu Sans',sans-serif;margin:16px;color:#1d1c1d;background:#fff}
p.note{color:#616061;font-size:12px;margin:0 0 12px}
article{border-left:4px solid #ddd;padding:2px 0 6px 14px;margin:0 0 22px}
h3{font-size:17px;margin:4px 0}
.text{white-space:pre-wrap;margin:6px 0}
.fields{display:grid;grid-template-columns:1fr 1fr;gap:6px 18px;margin:8px 0;white-space:pre-wrap}
.context{color:#616061;font-size:12px}
a{color:#1264a3;text-decoration:none}
"""


def main() -> None:
    """New, going on after messages were held back, and what a minute has no room for."""
    events = _events()
    articles = "".join(_article(message([each])) for each in events)
    note = "Preview of Block Kit messages, drawn by onyx-pipelines: Slack draws them otherwise."
    page = f"<style>{_STYLE}</style><p class=note>{note}</p>{articles}"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        context = chromium.new_context(viewport={"width": _WIDTH, "height": 600})
        shown = context.new_page()
        shown.set_content(page)
        picture = shown.screenshot(full_page=True)
        chromium.close()
    (DOCS / "pictures" / "preview-slack.png").write_bytes(smaller(picture))


def _events() -> list[Event]:
    issue = _issue(
        "OperationalError", "FATAL: remaining connection slots are reserved", "suna.db in connect"
    )
    earlier = issue.model_copy(
        update={
            "last_seen": _NOW - timedelta(days=18),
            "resolved_at": _NOW - timedelta(days=17),
            "resolved_by": "suna@1.3.9",
        }
    )
    findings = Findings(
        changes=(
            Change(
                ChangeKind.RELEASE,
                _NOW - timedelta(minutes=7),
                "release suna@1.4.2 of suna was deployed",
            ),
            Change(
                ChangeKind.LOAD_TEST,
                _NOW - timedelta(minutes=3),
                "load test (process 4711)",
                is_running=True,
            ),
            Change(ChangeKind.BACKUP, _NOW - timedelta(hours=12), "nightly_backup succeeded"),
        ),
        rate=RateChange(Share(13, 8120), Share(231, 1904), 3600, 420),
    )
    sections = told(findings, _NOW, "suna", (earlier, 0.87))
    new = Telling("1", "5f0c2a9be1d47c33", issue, Reason.NEW)
    again = Telling(
        "2",
        "5f0c2a9be1d47c33",
        issue.model_copy(update={"count": 318}),
        Reason.GOES_ON,
        more=317,
        since=_NOW - timedelta(minutes=5),
    )
    others = [
        event_of(Telling(name, name, _issue(name, "…", ""), Reason.NEW), {})
        for name in ("TimeoutError", "KeyError", "ValidationError")
    ]
    return [
        event_of(new, sections, "https://wiki.example/INCIDENTS"),
        event_of(again, {"What changed": sections["What changed"]}),
        rolled_up([[each] for each in others]),
    ]


def _issue(kind: str, text: str, place: str) -> Issue:
    signal = Signal(
        key="",
        source=Source.BUGSINK,
        reason=Reason.NEW,
        service="suna",
        type=kind,
        message=text,
        culprit=place,
        level="fatal",
        release="suna@1.4.2",
        environment="production",
        link="https://errors.example/issues/1",
        first_seen=_NOW,
        at=_NOW,
    )
    return Issue(
        last=signal,
        severity=Severity.CRITICAL,
        why="level fatal",
        first_seen=_NOW,
        last_seen=_NOW,
        count=1,
    )


def _article(told_slack: dict[str, Any]) -> str:
    return f"<article>{''.join(map(_block, told_slack['blocks']))}</article>"


def _block(block: dict[str, Any]) -> str:
    if block["type"] == "header":
        return f"<h3>{_text(block['text'])}</h3>"
    if block["type"] == "context":
        return "".join(f"<div class=context>{_text(each)}</div>" for each in block["elements"])
    if "fields" in block:
        cells = "".join(f"<div>{_text(each)}</div>" for each in block["fields"])
        return f"<div class=fields>{cells}</div>"
    return f"<div class=text>{_text(block['text'])}</div>"


def _text(told_text: dict[str, Any]) -> str:
    """Slack's three escapes are HTML's too; its links are not."""
    text: str = told_text["text"]
    if told_text["type"] == "plain_text":
        # The fonts here have no colours.
        return text.replace("❌", '<span style="color:#c0392b">✖</span>')
    return _LINK.sub(r'<a href="\1">\2</a>', html.escape(text, quote=False))


if __name__ == "__main__":
    main()
