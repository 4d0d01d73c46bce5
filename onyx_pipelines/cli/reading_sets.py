"""What commands on sets have in common: which components, exit codes of verdicts."""

from __future__ import annotations

from typing import Annotated

import typer

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.sources.source import Component
from onyx_pipelines.terminal.output import EXIT_BAD, EXIT_UNABLE

ComponentsOption = Annotated[
    list[Component] | None,
    typer.Option("--component", help="Only this component; may be given several times."),
]

EXIT_CODES = {
    Verdict.PASSED: 0,
    Verdict.FAILED: EXIT_BAD,
    Verdict.COULD_NOT_VERIFY: EXIT_UNABLE,
}
