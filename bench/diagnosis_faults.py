"""Thirty kinds of fault that operators of this stack meet, each in three intensities, with the
playbooks that are right for it; and which half of them was kept apart by a draw.

Written without a look at the playbooks' own diagnosis steps: from the specification's six names,
and from what goes wrong with these services.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Final

from bench.strikes import backups, databases, edge, vectors
from bench.strikes.machine import Machine, busy, fill_disk, killing, short_of_memory
from bench.strikes.services import application, hang, kill, model
from bench.strikes.strike import Strike, at_rush_hour, now_and_then, together
from onyx_pipelines.core.names import Job
from onyx_pipelines.monitoring.playbooks import Playbook

_KEPT_APART: Final = 15
# What is told by its next scrape, and what has to be looked at or answered first.
_SOON_S, _LATER_S = 12.0, 22.0


class Intensity(StrEnum):
    """MILD: an incident all the same: somebody must do something."""

    MILD = "mild"
    CLEAR = "clear"
    SEVERE = "severe"


@dataclass(frozen=True)
class Fault:
    """Args:
    right: any of these first is right.
    why: where it is more than one.
    seen_after_s: from when on the watching can know.
    """

    name: str
    right: frozenset[Playbook]
    strikes: Mapping[Intensity, Strike]
    why: str = ""
    seen_after_s: float = _SOON_S


def kept_apart(names: Sequence[str]) -> frozenset[str]:
    """The half that nobody looks at while rules are mended: drawn by the names alone."""
    seed = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
    drawn = sorted(names, key=lambda name: hashlib.sha256(f"{seed}{name}".encode()).digest())
    return frozenset(drawn[:_KEPT_APART])


def faults(machine: Machine) -> list[Fault]:
    """`machine`: of the sandbox."""
    return [
        *(*_of_models(), *_of_databases(), *_of_vectors(), *_of_certificates()),
        *(*_of_jobs(), *_of_resources(machine), *_of_two(machine)),
    ]


def _fault(
    name: str,
    right: Playbook | frozenset[Playbook],
    mild: Strike,
    clear: Strike,
    severe: Strike,
    *,
    why: str = "",
    seen_after_s: float = _SOON_S,
) -> Fault:
    several = right if isinstance(right, frozenset) else frozenset({right})
    strikes = {Intensity.MILD: mild, Intensity.CLEAR: clear, Intensity.SEVERE: severe}
    return Fault(name, several, strikes, why, seen_after_s)


def _of_models() -> list[Fault]:
    fault = partial(_fault, seen_after_s=_LATER_S)
    revoked = partial(model, refused_status=401)
    return [
        _fault(
            "LiteLLM is gone",
            Playbook.LLM_DOWN,
            now_and_then(kill("LiteLLM"), on_s=8, off_s=2),
            kill("LiteLLM"),
            at_rush_hour(kill("LiteLLM")),
        ),
        _fault(
            "LiteLLM hangs",
            Playbook.LLM_DOWN,
            now_and_then(hang("LiteLLM"), on_s=6, off_s=1),
            hang("LiteLLM"),
            at_rush_hour(hang("LiteLLM")),
        ),
        fault(
            "the provider limits our rate",
            Playbook.LLM_DOWN,
            at_rush_hour(model(rate_limit_per_s=2)),
            at_rush_hour(model(rate_limit_per_s=1)),
            at_rush_hour(model(rate_limit_per_s=0.1)),
        ),
        fault(
            "a key of the provider's is revoked",
            Playbook.LLM_DOWN,
            revoked(refused_share=0.34),
            revoked(refused_share=0.67),
            revoked(refused_share=1),
        ),
        fault(
            "the provider takes long to begin an answer",
            Playbook.LLM_DOWN,
            model(first_token_ms=5_500),
            model(first_token_ms=8_000),
            model(first_token_ms=12_000),
        ),
    ]


def _of_databases() -> list[Fault]:
    return [
        _fault(
            "PostgreSQL is stopped",
            Playbook.DATABASE_FAILURE,
            now_and_then(databases.stop_postgres, on_s=8, off_s=2),
            databases.stop_postgres,
            at_rush_hour(databases.stop_postgres),
        ),
        _fault(
            "connections to PostgreSQL are not given back",
            Playbook.DATABASE_FAILURE,
            databases.take_connections(51),
            databases.take_connections(56),
            databases.take_connections(60),
        ),
        _fault(
            "a migration holds its locks",
            Playbook.DATABASE_FAILURE,
            databases.lock("documents"),
            databases.lock("messages"),
            at_rush_hour(databases.lock("documents", "messages")),
            seen_after_s=_LATER_S,
        ),
        _fault(
            "PostgreSQL takes no writes any more",
            Playbook.DATABASE_FAILURE,
            databases.read_only_database,
            databases.read_only,
            at_rush_hour(databases.read_only),
            seen_after_s=_LATER_S,
        ),
        _fault(
            "Redis is full",
            Playbook.DATABASE_FAILURE,
            databases.fill_redis(0.92),
            databases.fill_redis(0.97),
            databases.fill_redis(1.5),
        ),
    ]


def _of_vectors() -> list[Fault]:
    corrupt = Playbook.VECTOR_CORRUPTION
    return [
        _fault(
            "Qdrant is gone",
            corrupt,
            now_and_then(kill("Qdrant"), on_s=8, off_s=2),
            kill("Qdrant"),
            at_rush_hour(kill("Qdrant")),
        ),
        _fault(
            "Qdrant starts in recovery mode",
            corrupt,
            vectors.qdrant(recovery_mode=True),
            vectors.qdrant(recovery_mode=True, collection_status={"documents": "grey"}),
            vectors.qdrant(recovery_mode=True, all_status=500),
        ),
        _fault(
            "collections are red",
            corrupt,
            vectors.qdrant(collection_status={"chat_memory": "red"}),
            vectors.qdrant(collection_status={"documents": "red"}),
            vectors.qdrant(collection_status={"documents": "red", "chat_memory": "red"}),
            seen_after_s=_LATER_S,
        ),
        _fault(
            "points are lost",
            corrupt,
            vectors.lose_points(0.5),
            vectors.lose_points(1),
            vectors.lose_collection,
            seen_after_s=_LATER_S,
        ),
        _fault(
            "shards are dead",
            corrupt,
            vectors.qdrant(remote_shards=[0], remote_state="Dead"),
            vectors.qdrant(local_state="Dead"),
            vectors.qdrant(local_state="Dead", remote_shards=[0], remote_state="Dead"),
        ),
    ]


def _of_certificates() -> list[Fault]:
    days = timedelta(days=1)
    return [
        _fault(
            "nobody renews the certificate",
            Playbook.CERTIFICATE_EXPIRY,
            edge.renew(12 * days),
            edge.renew(5 * days),
            edge.renew(1 * days),
        ),
        _fault(
            "the certificate has ended",
            Playbook.CERTIFICATE_EXPIRY,
            edge.renew(-days / 24),
            edge.renew(-3 * days),
            edge.renew(-60 * days),
        ),
        _fault(
            "the certificate was renewed and nginx not reloaded",
            Playbook.CERTIFICATE_EXPIRY,
            edge.not_reloaded(10 * days),
            edge.not_reloaded(2 * days),
            edge.not_reloaded(-1 * days),
        ),
        _fault(
            "the wrong certificate is served",
            Playbook.CERTIFICATE_EXPIRY,
            edge.other_certificate("DNS:old.onyx.example"),
            edge.other_certificate("DNS:localhost", is_trusted=False),
            edge.other_certificate("DNS:localhost", -30 * days, is_trusted=False),
        ),
    ]


def _of_jobs() -> list[Fault]:
    fault = partial(_fault, seen_after_s=_LATER_S)
    hours, days = timedelta(hours=1), timedelta(days=1)
    return [
        fault(
            "there is no recent backup",
            Playbook.SYNC_FAILURE,
            backups.age_set(28 * hours),
            backups.age_set(50 * hours),
            backups.age_set(10 * days),
        ),
        fault(
            "scheduled runs failed",
            Playbook.SYNC_FAILURE,
            backups.fail_runs(Job.COPY),
            backups.fail_runs(Job.BACKUP),
            backups.fail_runs(Job.BACKUP, Job.COPY, Job.VERIFY),
        ),
        fault(
            "schedules do not come any more",
            Playbook.SYNC_FAILURE,
            backups.age_run(33 * hours),
            backups.age_run(3 * days),
            backups.age_run(14 * days),
        ),
        fault(
            "the newest set lacks objects",
            Playbook.SYNC_FAILURE,
            backups.damage(0),
            backups.damage(0.5),
            backups.damage(1),
        ),
    ]


def _of_resources(machine: Machine) -> list[Fault]:
    return [
        _fault(
            "the processors are busy",
            Playbook.HIGH_RESOURCE_USAGE,
            busy(machine, 0.93),
            busy(machine, 0.97),
            busy(machine, 1),
        ),
        _fault(
            "the memory is used up",
            Playbook.HIGH_RESOURCE_USAGE,
            short_of_memory(machine, 0.92),
            short_of_memory(machine, 0.96),
            together(short_of_memory(machine, 0.99), killing(machine, 3)),
        ),
        _fault(
            "the disk is full",
            Playbook.HIGH_RESOURCE_USAGE,
            fill_disk(machine, 0.88, growth_per_s=0.002),
            fill_disk(machine, 0.97),
            fill_disk(machine, 1),
        ),
        _fault(
            "nginx has no connection left",
            Playbook.HIGH_RESOURCE_USAGE,
            edge.crowd(220),
            edge.crowd(245),
            edge.crowd(300),
        ),
    ]


def _of_two(machine: Machine) -> list[Fault]:
    """What two playbooks could claim."""
    resources = Playbook.HIGH_RESOURCE_USAGE
    slow = "Only its answers' time is seen: itself, or a machine that has too little for it."
    return [
        _fault(
            "queries take long",
            frozenset({Playbook.DATABASE_FAILURE, resources}),
            application(slow_db_ms=700),
            application(slow_db_ms=1500),
            at_rush_hour(application(slow_db_ms=3000)),
            why=slow,
            seen_after_s=_LATER_S,
        ),
        _fault(
            "searches take long",
            frozenset({Playbook.VECTOR_CORRUPTION, resources}),
            vectors.qdrant(all_delay_s=1),
            vectors.qdrant(all_delay_s=2),
            vectors.qdrant(all_delay_s=5),
            why=slow,
            seen_after_s=_LATER_S,
        ),
        _fault(
            "the kernel ends PostgreSQL for memory",
            frozenset({Playbook.DATABASE_FAILURE, resources}),
            together(killing(machine, 1), databases.kill_a_backend),
            together(killing(machine, 2), databases.kill_postgres),
            together(short_of_memory(machine, 0.97), killing(machine, 3), databases.kill_postgres),
            why="People must have the database back; and it goes again where memory stays short.",
        ),
    ]
