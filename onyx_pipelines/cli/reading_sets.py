"""What `drill` and `restore` have in common: the store to read from, exit codes of verdicts."""

from __future__ import annotations

from enum import StrEnum

from onyx_pipelines.cli.output import EXIT_BAD, EXIT_UNABLE
from onyx_pipelines.restore.verdict import Verdict

EXIT_CODES = {
    Verdict.PASSED: 0,
    Verdict.FAILED: EXIT_BAD,
    Verdict.COULD_NOT_VERIFY: EXIT_UNABLE,
}


class From(StrEnum):
    OFFSITE = "offsite"
    LOCAL = "local"
