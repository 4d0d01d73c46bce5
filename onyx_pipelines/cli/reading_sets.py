"""What `drill` and `restore` have in common: the store to read from, exit codes of verdicts."""

from __future__ import annotations

from enum import StrEnum

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.terminal.output import EXIT_BAD, EXIT_UNABLE

EXIT_CODES = {
    Verdict.PASSED: 0,
    Verdict.FAILED: EXIT_BAD,
    Verdict.COULD_NOT_VERIFY: EXIT_UNABLE,
}


class From(StrEnum):
    OFFSITE = "offsite"
    LOCAL = "local"
