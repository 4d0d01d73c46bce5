"""What being watched costs a service, and what the watching itself does: Debian's own Prometheus,
Alertmanager and exporters, with the sandbox's services, at production's pace."""

from __future__ import annotations

import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Route

from bench.table import Line, say
from bench.timing import need
from onyx_pipelines.api.access import Access
from onyx_pipelines.api.metrics import add_page
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.load_test.telemetry.process_usage import (
    parents_of_all,
    tree_of,
    usage_of_process,
)
from onyx_pipelines.monitoring.deployment import PRODUCTION
from onyx_pipelines.monitoring.instrumentation.exposition import MetricsEndpoint, Snapshot
from onyx_pipelines.sandbox.ports import HOST, free_port
from onyx_pipelines.sandbox.service_process import ServiceProcess, answers
from onyx_pipelines.sandbox.stack import Sandbox

_SERIES: Final = 10_000
_SCRAPES: Final = 300
_PASSWORD: Final = "of-the-benchmark-0123456789"
_INTERVAL_S: Final = 15
_SETTLES_S, _WATCHED_S = 60, 180
# Two whole chunks of 120 samples of each series.
_SAMPLES: Final = 240
_RETAINED_S: Final = 15 * 86_400
_MIB, _GB = 1 << 20, 1e9


def run(directory: Path) -> list[Line]:
    """About nine minutes."""
    need("prometheus", "prometheus-alertmanager", "redis-server")
    return [*_exposing(), *_watching(directory)]


def _exposing() -> list[Line]:
    return [
        *_exposed("the kit", _serve),
        *_exposed("this product's API", _serve_ours),
    ]


def _exposed(whose: str, serve: Callable[[int], None]) -> list[Line]:
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(port,), daemon=True)
    server.start()
    url = f"http://{HOST}:{port}"
    while not answers(f"{url}/health"):
        time.sleep(0.1)
    try:
        taken, spent_s = _scraped(f"{url}/metrics", int(server.pid or 0))
    finally:
        server.terminate()
        server.join()
    return [
        Line(
            f"/metrics of {whose}, {_SERIES:,} series, p95",
            statistics.quantiles(taken, n=20)[18],
            10.0,
            "ms",
            f"p50 {statistics.median(taken):.1f} ms, slowest {max(taken):.0f} ms",
        ),
        Line(
            f"what being scraped costs {whose}, {_SERIES:,} series",
            100 * spent_s,
            5.0,
            "% of a core",
            "rendered every 5 s, scraped ten times as often as by Prometheus",
        ),
    ]


def _serve(port: int) -> None:
    endpoint = MetricsEndpoint(
        _many_series(), user="bench", password=SecretStr(_PASSWORD), allowed=["127.0.0.0/8"]
    )
    app = Starlette(routes=[Route("/health", _well)])
    app.router.routes.append(Route("/metrics", endpoint))
    uvicorn.run(app, host=HOST, port=port, log_level="error", access_log=False)


def _serve_ours(port: int) -> None:
    app = FastAPI(routes=[Route("/health", _well)])
    access = Access(load_settings({"metrics_user": "bench", "metrics_password": _PASSWORD}))
    add_page(app, access, Snapshot(_many_series()))
    uvicorn.run(app, host=HOST, port=port, log_level="error", access_log=False)


def _many_series() -> CollectorRegistry:
    registry = CollectorRegistry()
    metric = Counter("bench", "Series of the benchmark.", ["route", "status"], registry=registry)
    for number in range(_SERIES):
        metric.labels(f"/api/route/{number // 10}", str(200 + number % 10)).inc(number)
    return registry


async def _well(_: object) -> object:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse("ok")


def _scraped(url: str, pid: int) -> tuple[list[float], float]:
    """Milliseconds of each scrape, and processor time a second of who was scraped."""
    taken: list[float] = []
    with httpx.Client(auth=("bench", _PASSWORD), trust_env=False) as client:
        client.get(url).raise_for_status()
        began, before = time.monotonic(), _cpu_s([pid])
        for _ in range(_SCRAPES):
            begun = time.monotonic()
            client.get(url).raise_for_status()
            taken.append(1000 * (time.monotonic() - begun))
            time.sleep(0.1)
        return taken, (_cpu_s([pid]) - before) / (time.monotonic() - began)


def _watching(directory: Path) -> list[Line]:
    sandbox = Sandbox(directory / "sandbox")
    monitoring = sandbox.monitoring
    monitoring.pace = PRODUCTION
    try:
        sandbox.up(size=0.05, monitoring=True, say=lambda text: say(f"  {text}"))
        watchers = [
            *(monitoring.prometheus, monitoring.alertmanager, monitoring.api),
            *monitoring.exporters.values(),
        ]
        time.sleep(_SETTLES_S)
        began, before = time.monotonic(), _cpu_of(watchers)
        time.sleep(_WATCHED_S)
        after, seconds = _cpu_of(watchers), time.monotonic() - began
        memory = {each.name: _memory_bytes(each) / _MIB for each in watchers}
        cpu = {name: 100 * (after[name] - before[name]) / seconds for name in after}
        series = _number(monitoring.prometheus.series("prometheus_tsdb_head_series"))
        bytes_per_sample = _stored(sandbox)
    finally:
        sandbox.down()
    total_bytes = series * _RETAINED_S / _INTERVAL_S * bytes_per_sample
    return [
        Line(
            "the watching without Grafana: memory", sum(memory.values()), 350.0, "MB", _each(memory)
        ),
        Line(
            f"the watching, scraped every {_INTERVAL_S} s: processor",
            sum(cpu.values()),
            3.0,
            "% of a core",
            _each(cpu),
        ),
        Line(
            "15 days of it, extrapolated",
            total_bytes / _GB,
            2.0,
            "GB",
            f"{series:.0f} series x {_RETAINED_S // _INTERVAL_S:,} samples x {bytes_per_sample:.2f}"
            f" bytes, as a block of {_SAMPLES} samples of each has them",
        ),
    ]


def _stored(sandbox: Sandbox) -> float:
    """Bytes of a sample in a block, from one of as many samples as eight hours make of each series
    at a sixteenth of the interval: what changes in a second changes less than in fifteen."""
    monitoring = sandbox.monitoring
    monitoring.down()
    monitoring.pace = replace(PRODUCTION, interval="1s")
    sandbox.up(size=0.05, monitoring=True)
    time.sleep(_SAMPLES)
    answer = httpx.post(
        f"{monitoring.prometheus.url}/api/v1/admin/tsdb/snapshot", trust_env=False, timeout=120
    )
    folder = monitoring.prometheus.state_dir / "data" / "snapshots" / answer.json()["data"]["name"]
    stored, samples = 0, 0
    for meta in folder.glob("*/meta.json"):
        samples += json.loads(meta.read_text())["stats"].get("numSamples", 0)
        stored += sum(each.stat().st_size for each in meta.parent.rglob("*") if each.is_file())
    return stored / samples


def _cpu_of(watchers: Iterable[ServiceProcess]) -> dict[str, float]:
    return {each.name: _cpu_s([each.pid or 0]) for each in watchers}


def _cpu_s(pids: list[int]) -> float:
    usages = [usage_of_process(pid) for pid in tree_of(pids, parents_of_all())]
    return sum(each.cpu_s for each in usages if each)


def _memory_bytes(process: ServiceProcess) -> float:
    usages = [usage_of_process(pid) for pid in tree_of([process.pid or 0], parents_of_all())]
    return sum(each.memory_bytes or 0 for each in usages if each)


def _number(series: list[dict[str, list[str]]]) -> float:
    return float(series[0]["value"][1])


def _each(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
