"""A small discrete-event simulation of an application under load: what a load test of it would see.

Closed users call an application that takes a database connection, asks the database, the vector
store and the model, and answers. Everything is random but seeded; time is milliseconds.
"""

import heapq
import random
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.samples import COLUMNS, TELEMETRY_COLUMNS

RUN_STARTED_MS = 1_760_000_000_000.0


@dataclass(frozen=True)
class System:
    """What the application is made of. A limit of 0 means that there is none."""

    workers: int = 0
    app_cpu_ms: float = 3.0
    app_wait_ms: float = 1.0
    section_ms: float = 0.0
    db_ms: float = 8.0
    db_pool: int = 0
    db_cpu_ms: float = 0.0
    db_cores: int = 2
    db_section_ms: float = 0.0
    is_pool_held_over_llm: bool = False
    vector_cpu_ms: float = 4.0
    vector_wait_ms: float = 6.0
    vector_cores: int = 2
    vector_section_ms: float = 0.0
    proxy_cpu_ms: float = 0.0
    proxy_waits: float = 0.0
    llm_ms: float = 250.0
    llm_connections: int = 0
    llm_slots: int = 0
    llm_distance_ms: float = 0.0
    llm_rate_per_s: float = 0.0
    vector_rate_per_s: float = 0.0
    network_ms: float = 0.5
    lookup_ms: float = 0.0
    connect_ms: float = 0.1
    tls_ms: float = 0.0
    transfer_ms: float = 0.3
    is_streamed: bool = False
    leaked_bytes: float = 0.0
    leaking: str = "app"
    app_quota_cores: float = 1.0
    stretch: float = 1.0
    pause_ms: float = 0.0
    pause_every_requests: int = 0
    spread: float = 0.3
    host_cores: float = 8.0
    neighbour_cores: float = 0.0


class Line:
    """Servers with one queue, first come first served; counts the time they were busy."""

    def __init__(self, servers: float = float("inf")) -> None:
        self.servers = servers or float("inf")
        self.busy = 0
        self.waiting: deque[Generator] = deque()
        self.area_ms = 0.0
        self.changed_ms = 0.0

    def account(self, now: float) -> None:
        self.area_ms += self.busy * (now - self.changed_ms)
        self.changed_ms = now


def _gammas(spread: float, seed: int) -> Iterator[float]:
    """Around 1, drawn by the thousand: a single draw costs more than the event it is for."""
    drawn = np.random.default_rng(seed)
    while True:
        yield from drawn.gamma(1 / spread**2, spread**2, 4096).tolist()


class Simulation:
    """One number of users for a number of requests."""

    def __init__(self, system: System, users: int, requests: int, seed: int) -> None:
        self.system = system
        self.users = users
        self.requests = requests
        self.random = random.Random(seed)
        self.gammas = _gammas(system.spread, seed)
        self.now = 0.0
        self.events: list[tuple[float, int, Generator]] = []
        self.sequence = 0
        self.done = 0
        self.rows: list[tuple] = []
        self.workers = Line(system.workers)
        self.loop = Line(1)
        self.section = Line(1)
        self.pool = Line(system.db_pool)
        self.vector_cpu = Line(system.vector_cores)
        self.vector_section = Line(1)
        self.model = Line(system.llm_connections)
        self.proxy = Line(1)
        self.slots = Line(system.llm_slots)
        self.db_cpu = Line(system.db_cores)
        self.db_section = Line(1)
        self.tokens = 1.0
        self.tokens_at = 0.0

    def run(self) -> None:
        """Until so many requests have ended; those under way are cut off, as at a step's end."""
        for user in range(self.users):
            self._at(self.random.random() * 5, self._user(user))
        while len(self.rows) < self.requests:
            self.now, _, process = heapq.heappop(self.events)
            self._advance(process)

    def _at(self, when: float, process: Generator) -> None:
        self.sequence += 1
        heapq.heappush(self.events, (when, self.sequence, process))

    def _advance(self, process: Generator) -> None:
        for wanted in process:
            if not isinstance(wanted, Line):
                if not wanted:
                    continue
                self._at(self.now + wanted, process)
                return
            if wanted.busy >= wanted.servers:
                wanted.waiting.append(process)
                return
            wanted.account(self.now)
            wanted.busy += 1

    def _release(self, line: Line) -> None:
        line.account(self.now)
        if line.waiting:
            self._at(self.now, line.waiting.popleft())
        else:
            line.busy -= 1

    def _about(self, mean_ms: float) -> float:
        """Gamma with the system's spread around the mean."""
        return mean_ms * next(self.gammas) if mean_ms > 0 else 0.0

    def _on_loop(self, cpu_ms: float) -> Generator:
        yield self.loop
        yield self._about(cpu_ms) * self.system.stretch / self.system.app_quota_cores
        self._release(self.loop)

    def _in(self, line: Line, mean_ms: float) -> Generator:
        yield line
        yield self._about(mean_ms)
        self._release(line)

    def _user(self, user: int) -> Generator:
        iteration = 0
        while True:
            yield from self._request(user, iteration)
            iteration += 1

    def _request(self, user: int, iteration: int) -> Generator:
        system = self.system
        slice_ms = system.app_cpu_ms / 4
        started = self.now
        lookup, connect, tls = (
            self._about(mean) for mean in (system.lookup_ms, system.connect_ms, system.tls_ms)
        )
        yield lookup + connect + tls
        sent = self.now
        yield self._about(system.network_ms)

        yield self.workers
        yield self.loop
        entered = self.now
        yield self._about(slice_ms) * system.stretch / system.app_quota_cores
        self._release(self.loop)
        first_byte = self.now
        if system.section_ms:
            yield from self._in(self.section, system.section_ms)
        yield self._about(system.app_wait_ms)

        at = self.now
        yield self.pool
        db_wait = self.now - at
        at = self.now
        yield self._about(system.db_ms)
        if system.db_cpu_ms:
            yield from self._in(self.db_cpu, system.db_cpu_ms)
        if system.db_section_ms:
            yield from self._in(self.db_section, system.db_section_ms)
        yield from self._on_loop(slice_ms)
        db = self.now - at
        if not system.is_pool_held_over_llm:
            self._release(self.pool)

        at = self.now
        yield self._about(system.network_ms)
        entered_vector = self.now
        is_limited = self._is_limited(system.vector_rate_per_s)
        is_refused_early = is_limited
        if not is_limited:
            yield self.vector_cpu
            yield self._about(system.vector_cpu_ms) * system.stretch
            self._release(self.vector_cpu)
            if system.vector_section_ms:
                yield from self._in(self.vector_section, system.vector_section_ms)
            yield self._about(system.vector_wait_ms)
        vector_srv = self.now - entered_vector
        yield from self._on_loop(slice_ms)
        vector = self.now - at

        at = self.now
        is_limited = is_limited or self._is_limited(system.llm_rate_per_s)
        llm_srv = 0.5 if is_limited and not is_refused_early else 0.0
        if is_limited:
            yield self._about(0.0 if is_refused_early else 1.0)
        else:
            yield self.model
            if system.proxy_cpu_ms:
                yield from self._in(self.proxy, system.proxy_cpu_ms)
            yield self._about(system.llm_distance_ms)
            entered_llm = self.now
            yield from self._in(self.slots, system.llm_ms)
            llm_srv = self.now - entered_llm
            self._release(self.model)
        if not is_refused_early:
            yield from self._on_loop(slice_ms)
        llm = self.now - at
        if system.is_pool_held_over_llm:
            self._release(self.pool)
        self.done += 1
        if system.pause_every_requests and self.done % system.pause_every_requests == 0:
            yield self.loop
            yield self._about(system.pause_ms)
            self._release(self.loop)
        total = self.now - entered
        self._release(self.workers)
        answered = self.now
        yield self._about(system.transfer_ms)

        if not system.is_streamed or is_limited:
            first_byte = answered
        timing = (
            f"total;dur={total:.3f}, db_wait;dur={db_wait:.3f}, db;dur={db:.3f}, "
            f"vector;dur={vector:.3f}, vector_srv;dur={vector_srv:.3f}, "
            f"llm;dur={llm:.3f}, llm_srv;dur={llm_srv:.3f}"
        )
        self.rows.append(
            (
                started,
                self.now,
                self.users,
                user,
                iteration,
                429 if is_limited else 200,
                lookup + connect + tls,
                connect,
                tls,
                first_byte - sent,
                self.now - first_byte,
                timing,
            )
        )

    def _is_limited(self, rate: float) -> bool:
        """A bucket of tokens; at most one of the services has one."""
        if not rate:
            return False
        burst = max(2.0, rate * 0.2)
        self.tokens = min(burst, self.tokens + (self.now - self.tokens_at) * rate / 1000)
        self.tokens_at = self.now
        if self.tokens < 1:
            return True
        self.tokens -= 1
        return False

    def busy(self, line: Line) -> float:
        """Mean number of busy servers over the whole run."""
        line.account(self.now)
        return line.area_ms / self.now


@dataclass
class Run:
    """What a sweep left: samples and telemetry, shaped as the contract says."""

    samples: pd.DataFrame
    telemetry: pd.DataFrame


DEFAULT_USERS = (1, 2, 4, 8, 16, 24, 32)


def sweep(
    system: System,
    seed: int,
    *,
    users: tuple[int, ...] = DEFAULT_USERS,
    scenario: str = "rag",
    requests: int | None = None,
) -> Run:
    """One run per number of users, one after the other; `requests` of each."""
    noise = np.random.default_rng(seed)
    rows: list[tuple] = []
    telemetry: list[tuple] = []
    offset_ms = RUN_STARTED_MS
    memory_bytes = 300e6
    for count in users:
        simulation = Simulation(system, count, requests or 30 + 9 * count, seed * 1000 + count)
        simulation.run()
        rows += [(row[0] + offset_ms, row[1] + offset_ms, *row[2:]) for row in simulation.rows]
        leaked = system.leaked_bytes * len(simulation.rows)
        telemetry += _telemetry(simulation, noise, offset_ms, memory_bytes, leaked)
        memory_bytes += leaked
        offset_ms += simulation.now + 500
    return Run(_samples(rows, scenario, is_streamed=system.is_streamed), _frame(telemetry))


def _samples(rows: list[tuple], scenario: str, *, is_streamed: bool) -> pd.DataFrame:
    names = (
        *("started_ms", "ended_ms", "users", "vu", "iteration", "status", "blocked_ms"),
        *("connecting_ms", "tls_ms", "waiting_ms", "receiving_ms", "server_timing"),
    )
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    nothing = np.full(len(rows), np.nan)
    columns |= {
        **dict.fromkeys(("scenario", "request"), [scenario] * len(rows)),
        "block": ["sweep"] * len(rows),
        "error": [""] * len(rows),
        **dict.fromkeys(("repeat", "error_code"), np.zeros(len(rows))),
        "sending_ms": np.full(len(rows), 0.05),
        "bytes": np.full(len(rows), 2000),
        **dict.fromkeys(("first_token_ms", "tokens", "retry_after_s"), nothing),
    }
    if is_streamed:
        columns["first_token_ms"] = np.add(columns["blocked_ms"], columns["waiting_ms"])
    return pd.DataFrame(
        {name: pd.Series(columns[name], dtype=dtype) for name, dtype in COLUMNS.items()}
    )


def _telemetry(
    simulation: Simulation,
    noise: np.random.Generator,
    offset_ms: float,
    memory_bytes: float,
    leaked_bytes: float,
) -> list[tuple]:
    system = simulation.system
    stretch, quota = system.stretch, system.app_quota_cores
    app = simulation.busy(simulation.loop)
    vector = simulation.busy(simulation.vector_cpu)
    used = {
        "app": (quota, app * quota / stretch, app * quota * (1 - 1 / stretch)),
        "vector": (float(system.vector_cores), vector / stretch, vector * (1 - 1 / stretch)),
        "llm": (1.0, 0.03, 0.0),
        "db": (float(system.db_cores), 0.05 + simulation.busy(simulation.db_cpu), 0.0),
        "k6": (system.host_cores, 0.1, 0.0),
    }
    if system.proxy_cpu_ms:
        proxy = simulation.busy(simulation.proxy)
        used["proxy"] = (2.0, proxy * (1 - system.proxy_waits), proxy * 2 * system.proxy_waits)
    total = sum(cpu for _, cpu, _ in used.values()) + system.neighbour_cores + 0.1
    used["host"] = (system.host_cores, min(total, system.host_cores), 0.0)
    seconds = max(5, int(simulation.now / 1000))
    busy = simulation.busy(simulation.pool)
    waiting = len(simulation.pool.waiting)
    rows: list[tuple] = []
    for second in range(seconds):
        at_ms = offset_ms + (second + 0.5) * simulation.now / seconds
        for service, (cores, cpu, queued) in used.items():
            memory = memory_bytes + (leaked_bytes * (second + 0.5) / seconds) * (
                service == system.leaking
            )
            memory *= 1 + noise.normal(0, 0.002)
            is_pool = service == "db" and system.db_pool > 0
            rows.append(
                (
                    at_ms,
                    service,
                    cores,
                    min(cores, cpu * (1 + noise.normal(0, 0.04))),
                    queued * (1 + noise.normal(0, 0.1)),
                    0.6 * app if service == "app" and quota < 1 else 0.0,
                    memory,
                    memory * 1.02,
                    float(system.db_pool) if is_pool else np.nan,
                    min(system.db_pool, round(busy + noise.normal(0, 0.3))) if is_pool else np.nan,
                    float(waiting) if is_pool else np.nan,
                )
            )
    return rows


def _frame(rows: list[tuple]) -> pd.DataFrame:
    names = list(TELEMETRY_COLUMNS)
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return pd.DataFrame(columns).astype(TELEMETRY_COLUMNS)
