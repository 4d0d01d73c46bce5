"""docs/LAUNCH.md, from the launch checklist (AC9.7.1) and the procedure of going live (AC9.7.2)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from docs.making import go_live
from docs.making.words import one_line
from onyx_pipelines.core.text import count_text, limit_text, list_text
from onyx_pipelines.readiness.launch import verification as way
from onyx_pipelines.readiness.launch.checklist import Item, Role, Section, checklist
from onyx_pipelines.readiness.limit import limit_words

_RECORDS: Final = {
    way.Record.NIGHTLY_BACKUP: "How the job `nightly_backup` last ended in Dagster",
    way.Record.TWO_STORES_VERIFIED: "The marks that `onyx verify` leaves at the copies of a set",
    way.Record.STACK_RECIPE: "The newest set's manifest has the volume `stack-recipe`",
    way.Record.RECOVERY_TIME: "The report of the last restore drill that measured it",
    way.Record.LOAD_BASELINE: "The baseline that somebody promoted (`onyx load-test baseline`)",
    way.Record.RULES_TESTED: "promtool and amtool judge the rendered configuration",
    way.Record.ERROR_ARRIVES: "An event is sent, and asked for until the tracker has it",
    way.Record.DIGEST_SENT: "To whom the newest day's digest was sent",
    way.Record.AUDIT_TRAIL: "`onyx audit verify`",
    way.Record.RELEASE_NOTED: "`onyx errors deployed` in the audit trail",
    way.Record.REHEARSALS: "The records of `onyx rehearse`",
}
_QUESTIONS: Final = {
    way.ComposeQuestion.PINNED: "each `image` has `@sha256:`, unless it is built on the host",
    way.ComposeQuestion.RESTARTS: "each service has `restart`, and not `no`",
    way.ComposeQuestion.HEALTHCHECKS: "each service has a `healthcheck`",
    way.ComposeQuestion.MEMORY_LIMITS: "each service has `mem_limit` or a limit of `deploy`",
    way.ComposeQuestion.NOTHING_PUBLISHED: "`ports` on loopback, but for the edge's",
    way.ComposeQuestion.LOGS_ROTATE: "each service's `logging` has `max-size` or keeps none here",
    way.ComposeQuestion.NO_KNOWN_SECRETS: "what is named like a secret, held against a list",
    way.ComposeQuestion.NOT_PRIVILEGED: "no service is `privileged`",
}
_FIGURES: Final = {
    way.HostFigure.DISK_FREE: "the free share of the state directory's disk",
    way.HostFigure.INODES_FREE: "the free share of its inodes",
    way.HostFigure.MEMORY_AVAILABLE: "the available share of memory",
    way.HostFigure.SWAP_USED: "the used share of swap",
    way.HostFigure.CLOCK_ERROR_S: "the clock's error in seconds, as the kernel estimates it,",
    way.HostFigure.OPEN_FILES_FREE: "the free share of the kernel's open files",
    way.HostFigure.UPGRADES_ARE_AUTOMATIC: "`APT::Periodic::Unattended-Upgrade`",
}
_HEAD = """\
# Launch

<!-- Written from onyx_pipelines/readiness/launch/checklist.yaml by `make docs`: change that. -->

May the stack go live? `onyx launch check` looks at everything that it can look at, and at what
people have shown for the rest. It says what blocks the launch, why, and what to do about it; exit
code 0: nothing blocks, 1: something that blocks failed, 2: something that blocks could not be
verified. The asset `launch_checklist` does the same each morning once `ONYX_PUBLIC_URL` is set, and
leaves a page in `reports/launch/latest/report.html`.

- There are three verdicts. **What could not be verified is not a yes**: something that is not
  configured, does not answer, or that nobody has shown anything for.
- What was looked at counts for a day. What a person has shown counts for as long as the item says,
  and a file for as long as it does not change.
- The checklist is meant for the host of the stack: ports, clock and disk are those of the machine
  that it runs on.

For the items that nobody can look at:

```sh
onyx launch evidence rollback-rehearsed --by "Ada Lovelace" --note "back to 1.4.1 in 6 minutes"
onyx launch evidence tests-passed --by "Ada Lovelace" --link https://ci.example.org/runs/4711
onyx launch evidence dependencies-scanned --by "Grace Hopper" --file trivy.json
onyx launch withdraw rollback-rehearsed --by "Ada Lovelace" --reason "the script has changed" --yes
```

Who shows something, and who withdraws it, is in the audit trail.
"""


def page() -> str:
    """The whole page, in Markdown."""
    asked = checklist()
    items = list(asked.items)
    automatic = sum(item.is_automatic for item in items)
    lines = [
        _HEAD,
        "## The checklist",
        "",
        f"{count_text(len(items), 'item')} in {count_text(len(asked.sections), 'section')};"
        f" {automatic} are looked at, {sum(item.blocks for item in items)} block the launch."
        f" Each has an owner: {list_text([role.value for role in Role])}.",
    ]
    for section in asked.sections:
        lines += ["", *_section(section)]
    return "\n".join([*lines, "", *go_live.sections()]).rstrip("\n") + "\n"


def _section(section: Section) -> Iterator[str]:
    yield f"### {section.title}"
    yield ""
    yield "| what has to be true | owner | how it is verified | blocks | counts for |"
    yield "|---|---|---|---|---|"
    for item in section.items:
        asks = f'<a id="{item.id}"></a>`{item.id}`: {item.asks}'
        cells = (asks, item.owner.value, _how(item), "yes" if item.blocks else "no", _span(item))
        yield f"| {' | '.join(one_line(cell) for cell in cells)} |"


def _span(item: Item) -> str:
    if item.holds_for is None:
        return "good"
    return "a day" if item.holds_for == timedelta(days=1) else _limit(item.holds_for)


def _limit(span: timedelta) -> str:
    return limit_text(span.total_seconds())


def _how(item: Item) -> str:
    asked = item.verification
    said = _looks(asked)
    if isinstance(asked, way.Manual):
        return said
    if asked.needs_one_of:
        return f"{said} Needs one of {_settings(asked.needs_one_of)}."
    return f"{said} Needs {_settings(asked.needed)}." if asked.needed else said


def _looks(asked: way.Verification) -> str:
    match asked:
        case way.Manual():
            return f"A person shows: {asked.evidence}"
        case way.OfHealth():
            return f"`onyx health`: {asked.area.words} are well."
        case way.OfMetrics() | way.OfDatabase():
            where = "Prometheus" if isinstance(asked, way.OfMetrics) else "PostgreSQL"
            return f"{where}: `{asked.query}` is {limit_words(asked.holds_if)}."
        case way.OfDoctor():
            return f"`onyx doctor`: {list_text(asked.checks)}."
        case way.OfSettings():
            return f"One of these is set: {_settings(asked.any_of)}."
        case way.OfRecord():
            age = f", at most {_limit(asked.max_age)} old" if asked.max_age else ""
            return f"{_RECORDS[asked.of]}{age}."
        case way.OfEndpoint():
            return _endpoint(asked)
        case way.OfCertificate():
            return f"A connection that trusts what programs trust; {asked.days} days are left."
        case way.OfPorts():
            allowed = list_text([str(each) for each in asked.allowed])
            return f"What listens on this host beside loopback: TCP {allowed} alone."
        case way.OfCompose():
            return f"The stack's Compose files: {_QUESTIONS[asked.question]}."
        case way.OfHost():
            return f"This host: {_FIGURES[asked.figure]} is {limit_words(asked.holds_if)}."
        case way.OfPlaybooks():
            return "Each page that an alert links to is fetched, and its anchors are looked for."


def _endpoint(asked: way.OfEndpoint) -> str:
    base = way.setting_words(asked.base)
    scheme = " by http" if asked.insecure else ""
    path = f" and `{shlex.quote(asked.path)}`" if asked.path not in ("", "/") else ""
    status = " or ".join(map(str, asked.status))
    said = f"GET `{base}`{path}{scheme} answers{f' with {status}' if status else ''}"
    if asked.headers:
        said += f"; right are {list_text([f'`{name}`' for name in asked.headers])}"
    if asked.lacks:
        said += f"; {list_text([f'`{name}`' for name in asked.lacks])} tell nothing"
    return f"{said}."


def _settings(names: tuple[str, ...]) -> str:
    return list_text([f"`{way.setting_words(name)}`" for name in names])
