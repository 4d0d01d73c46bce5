"""`make demo`: the sandbox, a nightly backup, its drill and a load test through Dagster's own CLI,
and where to look."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

from onyx_pipelines.backup import retained_sets
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.core.names import Job
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import count_text, duration_text, second_text, size_text
from onyx_pipelines.load_test.report.sentences import bottleneck_lines
from onyx_pipelines.load_test.steps import find_run, result_of
from onyx_pipelines.sandbox.stack import Sandbox, default_state_dir
from onyx_pipelines.terminal.ending import as_process
from onyx_pipelines.terminal.output import bold, out, red

_EVENT = re.compile(
    r"(?:(?:STEP_FAILURE|ASSET_CHECK_EVALUATION|ASSET_MATERIALIZATION) - "
    # What a step says of its progress.
    r"|- INFO - load_test - \S+ - load_test_samples - )(.*?\.?)\s*$"
)
_JOBS = (Job.BACKUP, Job.DRILL, Job.LOAD_TEST)
_REPORTS = {"drill": "restore-drills", "load test": "load-test"}


def main() -> int:
    """Exit status 0 if the jobs succeeded; what they found, good or bad, is printed."""
    begun = time.monotonic()
    sandbox = Sandbox(default_state_dir())
    out.line(bold("1. The sandbox"))
    sandbox.up(say=_indented)
    environment = {**os.environ, **sandbox.environment()}
    for number, job in enumerate(_JOBS, start=2):
        out.line(bold(f"{number}. {job}, launched by dagster"))
        if _run_job(job, environment) != 0:
            out.line(red("The job failed;"), " its log is above.")
            return 1
    out.line(bold(f"{len(_JOBS) + 2}. What there is now"))
    os.environ.update(sandbox.environment())
    _summarise()
    out.line()
    out.line(
        f"Done in {duration_text(time.monotonic() - begun)}. The state is in {sandbox.state_dir}"
    )
    for name, folder in _REPORTS.items():
        report = sandbox.state_dir / "reports" / folder / "latest" / "report.html"
        out.line(f"The report of the {name}: {report}")
    out.line(
        bold("make ui"),
        " opens Dagster: Catalog → group backup → Lineage; backup_set → Checks shows what was"
        " verified, backup_retention the plan with reasons, the group restore what came back, the"
        " group load_test how fast it is and what limits it; Plots shows sizes and times.",
    )
    out.line(bold('eval "$(.venv/bin/onyx sandbox env)"'), ", then .venv/bin/onyx catalog list")
    out.line(bold("make down"), " deletes it all.")
    return 0


def _run_job(job: str, environment: dict[str, str]) -> int:
    """One line per step and check; the whole event log only where the job failed."""
    command = [
        sys.executable, "-m", "dagster", "job", "execute",
        "--module-name", "onyx_pipelines.definitions", "--job", job,
    ]  # fmt: skip
    log = []
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            log.append(line)
            event = _EVENT.search(line)
            if event:
                _indented(event[1])
    if process.returncode != 0:
        sys.stdout.write("".join(log[-60:]))
    return process.returncode


def _summarise() -> None:
    host = open_host(load_settings())
    catalog = host.catalog
    view = catalog.sets()[0]
    manifest = view.manifest
    out.line(
        "   Backup set ",
        bold(view.backup_id),
        f", {manifest.shown_status}, recovery point {second_text(manifest.timestamp)}",
    )
    rows = [
        (
            item.key,
            size_text(item.plain_bytes),
            size_text(item.sealed_bytes),
            item.sealed_sha256[:16] + "…",
        )
        for item in manifest.objects
    ]
    out.table("objects", ("object", "plain", "sealed", "SHA-256 (sealed)"), rows)
    for store in host.stores:
        held = [v for v in catalog.sets() if store.name in v.stores]
        _indented(f"{store.name}: {count_text(len(held), 'set')} in {store.url}")
    for line in bottleneck_lines(result_of(host.settings, find_run(host.settings))):
        _indented(line)
    for row in retained_sets.catalog_rows(host, catalog)[:5]:
        _indented(
            f"{row.backup_id}: kept as {row.retained_as or 'protected'}, in"
            f" {' and '.join(row.stores)}, {size_text(row.size_bytes)}"
        )


def _indented(text: str) -> None:
    out.line("   ", text)


if __name__ == "__main__":
    as_process(main)
