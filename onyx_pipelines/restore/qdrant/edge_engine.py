"""Starts the process that runs the Edge engine, and waits for its answer."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from contextlib import suppress

from pydantic import ValidationError

from onyx_pipelines.errors import IntegrityError, RestoreError
from onyx_pipelines.restore.qdrant.edge_protocol import EdgeAnswer, EdgeFailure, EdgeRequest

_MODULE = "onyx_pipelines.restore.qdrant.edge_process"


def ask_edge(request: EdgeRequest, *, timeout_s: float) -> EdgeAnswer:
    """What the engine finds in the shards.

    Raises:
        RestoreError: the engine is not installed, or took longer than `timeout_s`.
        IntegrityError: the engine refused the shards, or died of them.
    """
    if importlib.util.find_spec("qdrant_edge") is None:
        raise RestoreError(
            "Qdrant's Edge engine is not installed.", remedy="pip install qdrant-edge-py."
        )
    with subprocess.Popen(
        [sys.executable, "-m", _MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            output, complaints = process.communicate(
                request.model_dump_json().encode(), timeout=timeout_s
            )
        except subprocess.TimeoutExpired:
            raise RestoreError(
                f"Qdrant's Edge engine was not done after {timeout_s:.0f} s.",
                remedy="See whether this host has enough memory for the collection.",
            ) from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    try:
        return EdgeAnswer.model_validate_json(output)
    except ValidationError:
        problem = _problem(output) or complaints.decode("utf-8", "replace").strip()[-500:]
    raise IntegrityError(
        f"Qdrant's Edge engine cannot open the snapshot: {problem or 'it died'}.",
        remedy="Restore another set; see whether the server's version is newer than the engine's.",
    )


def _problem(output: bytes) -> str:
    with suppress(ValidationError):
        return EdgeFailure.model_validate_json(output).problem
    return ""
