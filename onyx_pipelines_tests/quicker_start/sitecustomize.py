"""Read by each Python that a test starts: Dagster makes so many objects when it is loaded that the
search for garbage among them takes a seventh of the time."""

from __future__ import annotations

import gc
import sys

if any("dagster" in word or "spawn_main" in word for word in sys.orig_argv):
    gc.set_threshold(50_000, 20, 20)
