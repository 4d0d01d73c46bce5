"""What `drill` and `restore` have in common: exit codes of verdicts."""

from __future__ import annotations

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.terminal.output import EXIT_BAD, EXIT_UNABLE

EXIT_CODES = {
    Verdict.PASSED: 0,
    Verdict.FAILED: EXIT_BAD,
    Verdict.COULD_NOT_VERIFY: EXIT_UNABLE,
}
