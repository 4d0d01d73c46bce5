"""What capturing an error costs the front end while there is no tracker, beside the SDK alone; and
whether its scrubber lets a secret through that Python's does not."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from bench.table import Line
from onyx_pipelines.sandbox.suna.module import make_module
from onyx_pipelines_tests.errors import corpus
from onyx_pipelines_tests.errors.test_node_scrubbing import node_scrubber, python

_CAPTURES: Final = 2000


def run(directory: Path) -> list[Line]:
    """Needs Node and npm's registry."""
    module = directory / "suna"
    make_module(module)
    alone, ours = _captured(module), _captured(module, directory / "spool")
    (p99, median), (alone_p99, alone_median) = (_clock_ms(each) for each in (ours, alone))
    return [
        Line(
            "an error in Suna captured without a tracker, p99 of the processor",
            _share(ours["processor"], 0.99),
            1,
            "ms",
            f"the SDK alone, sending nothing: {_share(alone['processor'], 0.99):.2f} ms; by the"
            f" clock {p99:.2f} and {alone_p99:.2f} ms, median {median:.2f} and {alone_median:.2f};"
            f" load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores",
        ),
        Line(
            "what it costs the application's thread in all",
            ours["each"],
            None,
            "ms",
            f"the SDK alone: {alone['each']:.2f} ms; scrubbing, files and delivery have their own",
        ),
        *_scrubbed(),
    ]


def _scrubbed() -> list[Line]:
    """Every secret in every place of an event, one place at a time."""
    leaks, others, events = 0, 0, 0
    with node_scrubber() as node:
        for secret in corpus.secrets(16):
            for slot in corpus.SLOTS:
                event = corpus.planted(slot, secret)
                told = node(event)
                events += 1
                leaks += secret.is_in(json.dumps(told, ensure_ascii=False))
                others += told != python(event)
    detail = f"of {events}: {corpus.SECRETS} secrets in {len(corpus.SLOTS)} places"
    return [
        Line("events that Node lets a secret through", leaks, 0, "", detail),
        Line("events that Node scrubs otherwise than Python", others, 0, "", detail),
    ]


def _captured(module: Path, *spool: Path) -> Any:
    script = Path(__file__).with_name("suna_capture.mjs")
    command: list[str | Path] = ["node", script, module, str(_CAPTURES), *spool]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _clock_ms(captured: Any) -> tuple[float, float]:
    return _share(captured["took"], 0.99), _share(captured["took"], 0.5)


def _share(took_ms: list[float], share: float) -> float:
    return sorted(took_ms)[int(share * (len(took_ms) - 1))]
