"""Where a load test ran: what must be equal for two runs to be compared."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from onyx_pipelines.load_test.k6.binary import K6
from onyx_pipelines.load_test.plan import Profile
from onyx_pipelines.load_test.results import Environment
from onyx_pipelines.load_test.target import Target

_LENGTH: Final = 16
_GIB: Final = 2**30


def describe_environment(
    k6: K6, target: Target, profile: Profile, llm: str, facts: Mapping[str, str]
) -> Environment:
    """The generator's machine, the tools, the target.

    Versions of the target's own services belong into `facts`: they may differ between two runs
    that are compared, since that is what comparing is for.
    """
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cpu, scripts = _cpu_model(), script_digest()
    same = {
        "cpu": cpu,
        "cores": cores,
        "memory_gib": round(memory / _GIB),
        "k6": k6.version,
        "scripts": scripts,
        # The port of a sandbox differs from start to start.
        "target": target.host,
        "llm": llm,
        "users": profile.users,
        "messages": profile.messages,
    }
    digest = hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()
    return Environment(
        fingerprint=digest[:_LENGTH],
        cpu_model=cpu,
        cores=cores,
        memory_bytes=memory,
        k6_version=k6.version,
        script_digest=scripts,
        target=target.origin,
        llm=llm,
        facts={"kernel": platform.release(), "python": platform.python_version(), **facts},
    )


def script_digest() -> str:
    """SHA-256 of the scenario scripts."""
    digest = hashlib.sha256()
    folder = files("onyx_pipelines.load_test") / "scenarios"
    for script in sorted(folder.iterdir(), key=lambda each: each.name):
        if script.name.endswith(".js"):
            digest.update(script.name.encode() + b"\0" + script.read_bytes() + b"\0")
    return digest.hexdigest()[:_LENGTH]


def run_key_of(label: str, profile: Profile, environment: Environment) -> str:
    """The same label, profile and environment always give the same run: a restart goes on."""
    text = json.dumps([label, profile.model_dump(mode="json"), environment.fingerprint])
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()
