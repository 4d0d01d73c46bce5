"""The promoted baseline's latency, for whoever compares live requests with it.

Reads the baseline's own file: what the analysis computes with takes seconds to load.
"""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Final

FOLDER: Final = "load-test-baselines"
BASELINE_ID: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{16}")
_NAME: Final = re.compile(r".* full_answer p95")


def promoted_p95_s(state_dir: Path) -> float | None:
    """Of the newest baseline of this host: the slowest scenario's p95 in seconds, the median of its
    repeats; None: there is none."""
    paths = (state_dir / FOLDER).glob("*.json")
    for path in sorted((each for each in paths if BASELINE_ID.fullmatch(each.stem)), reverse=True):
        try:
            series = json.loads(path.read_bytes())["series"]
            figures = [each["values"] for name, each in series.items() if _NAME.fullmatch(name)]
            return float(max(statistics.median(values) for values in figures)) / 1000
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # damaged, or without that measure: the one before counts
    return None
