"""Three verdicts in Dagster's two: what was not verified is a failing check of severity WARN."""

import dagster as dg

from onyx_pipelines.core.verdict import Verdict


def check_result(
    name: str | None, verdict: Verdict, text: str = "", *, grave: bool = True
) -> dg.AssetCheckResult:
    """Of the check `name`; None: of the only one.

    Args:
        grave: whether a failure is an error; else it is a warning too.
    """
    is_error = grave and verdict is not Verdict.COULD_NOT_VERIFY
    return dg.AssetCheckResult(
        check_name=name,
        passed=verdict is Verdict.PASSED,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description=text or None,
        metadata={"verdict": verdict.value},
    )
