"""A run's result, kept beside its samples: analysed once, read by all who show or judge it.

It is made anew where anything that it was made from is another: units, targets, baseline, analysis.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict

from pydantic import BaseModel, ConfigDict, ValidationError

from onyx_pipelines.load_test.baselines import Baseline
from onyx_pipelines.load_test.plan import plan
from onyx_pipelines.load_test.results import LoadTestResult
from onyx_pipelines.load_test.running.run_folder import RunFolder
from onyx_pipelines.load_test.targets import Targets

# Counts up with every change of what the analysis answers.
_ANALYSIS = 2


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    made_from: str
    result: LoadTestResult


def result_of(folder: RunFolder, targets: Targets, baseline: Baseline | None) -> LoadTestResult:
    """What the run found, by `result.json` or by a new analysis.

    Raises:
        NotFoundError: there is no such run.
    """
    made_from = _origin(folder, targets, baseline)
    with suppress(OSError, ValidationError):
        kept = _Kept.model_validate_json(folder.result_path.read_bytes())
        if kept.made_from == made_from:
            return kept.result
    # pandas and scipy are not needed to read.
    from onyx_pipelines.load_test.analysis.result import analyse

    result = analyse(folder, targets, baseline)
    # Who may only read the folder analyses each time.
    with suppress(OSError):
        folder.keep_result(_Kept(made_from=made_from, result=result).model_dump_json())
    return result


def _origin(folder: RunFolder, targets: Targets, baseline: Baseline | None) -> str:
    record = folder.record()
    told = folder.told_path.stat() if folder.told_path.exists() else None
    facts = [
        _ANALYSIS,
        record.model_dump(mode="json"),
        [unit.model_dump(mode="json") for unit in folder.units(plan(record.profile))],
        [alarm.model_dump(mode="json") for alarm in folder.alarms()],
        [told.st_size, told.st_mtime_ns] if told else None,
        asdict(targets),
        baseline.baseline_id if baseline else None,
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
