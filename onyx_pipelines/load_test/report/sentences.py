"""What is said of facts: what the analysis answers is data, words are here only.

A value whose name ends in `share` is a share of one, in `bytes` a size; `cpu` is what a service
used of its cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from onyx_pipelines.core.text import NOT_KNOWN, gigabytes_text
from onyx_pipelines.load_test.facts import Fact, RemedyKind, Value, What
from onyx_pipelines.load_test.part import APP, CONNECT, NAME_LOOKUP, RECEIVE, TLS
from onyx_pipelines.load_test.results import (
    Attribution,
    Cause,
    CauseKind,
    Change,
    ChangeKind,
    Gate,
    GateKind,
    Objective,
    Percentile,
    Remedy,
    Validity,
)

NO_BASELINE: Final = (
    "No baseline was promoted for this environment (`onyx load-test baseline promote RUN`)."
)


def sentence(fact: Fact) -> str:
    return _SENTENCES[fact.what].format_map(_rendered(fact.values))


def evidence(cause: Cause) -> list[str]:
    return [sentence(each) for each in cause.facts]


def cannot_tell(attribution: Attribution) -> list[str]:
    return [sentence(each) for each in attribution.untold]


def summary(attribution: Attribution) -> str:
    """What limits the scenario, or what was seen instead."""
    cause = attribution.cause
    if cause is None or attribution.instead:
        return " ".join(map(sentence, attribution.instead))
    is_worker_pool = cause.kind is CauseKind.POOL_EXHAUSTION and cause.service == APP
    name = "all workers of {service} are busy" if is_worker_pool else _CAUSES[cause.kind]
    text = name.format(service=cause.service)
    detail = f"{percent(cause.share)} of {_SHARE_OF.get(cause.kind, 'the growth of latency')}"
    return f"{text[0].upper()}{text[1:]} ({detail}, confidence {cause.confidence:.2f})."


def condition(gate: Gate) -> str:
    """What a run must fulfil at this gate to be valid."""
    return _CONDITIONS[gate.kind]


def observed(gate: Gate) -> str:
    return "; ".join(map(sentence, gate.observed))


def broken(validity: Validity) -> str:
    """Every condition that does not hold."""
    return "; ".join(
        f"{condition(gate)}: {observed(gate)}, required {sentence(gate.required)}"
        for gate in validity.gates
        if gate.passed is False
    )


def lacking(found: Percentile | None) -> str:
    """Why there is no figure, e.g. too few samples."""
    return NOT_KNOWN if found is None or found.lacking is None else sentence(found.lacking)


def judgement(objective: Objective) -> str:
    """What an objective's verdict rests on."""
    return " ".join(map(sentence, objective.facts))


def change(found: Change) -> str:
    """How a measure compares with the baseline, with its interval."""
    ratio, interval = found.ratio, found.interval
    if ratio is None:
        return "One side has no value."
    if interval is None:
        return f"{ratio:.2f} times, but a single repeat does not show how much is noise."
    alarm = "; beyond twice the baseline" if found.is_alarm else ""
    return (
        f"{ratio:.2f} times the baseline (above 1 is worse; 95 % interval {interval.low:.2f} to"
        f" {interval.high:.2f}): {_CHANGES[found.kind]}{alarm}."
    )


class Advice(NamedTuple):
    """What to do, what may go wrong, and how much work it is."""

    action: str
    risk: str
    effort: str


def advice(remedy: Remedy) -> Advice:
    rendered = _rendered({"service": remedy.service, **remedy.figures})
    return Advice(*(text.format_map(rendered) for text in _ADVICE[remedy.kind]))


def verification(remedy: Remedy) -> str:
    """How to see that it helped."""
    return (
        f"Run the load test again and compare the step of {remedy.users} users with what is"
        " predicted here."
    )


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _rendered(values: Mapping[str, Value]) -> dict[str, Value]:
    shown = {name: _shown(name, value) for name, value in values.items()}
    return {
        **shown,
        "cpu": _cpu(values) if "cores" in values else "",
        "activity": _ACTIVITIES.get(str(values.get("part")), ""),
        # What is only said where it is known, and not none.
        **{
            f"{name}_if_any": text.format_map(shown) if values.get(name) else ""
            for name, text in _ASIDES.items()
        },
    }


def _shown(name: str, value: Value) -> Value:
    if name.endswith("share"):
        return percent(float(value))
    if name == "measure":
        return str(value).replace("_", " ")
    return gigabytes_text(float(value)) if name.endswith("bytes") else value


def _cpu(values: Mapping[str, Value]) -> str:
    used, cores = float(values.get("cpu_cores", 0.0)), float(values["cores"])
    queued = float(values.get("run_queue_cores", 0.0))
    throttled = float(values.get("throttled_share", 0.0))
    waited = f" and {queued:.2f} waited for" if queued >= 0.05 else ""
    held_back = f", throttled {percent(throttled)} of the time" if throttled else ""
    return f"{used:.2f} of {cores:g} cores used{waited}{held_back}"


_ACTIVITIES: Final[Mapping[str, str]] = {
    NAME_LOOKUP: "looking up the name",
    CONNECT: "connecting",
    TLS: "the TLS handshake",
    RECEIVE: "transferring the answer",
}

_ASIDES: Final = {
    "failures": ", {failures} of them failed",
    "most_bytes": ", at most {most_bytes}",
    "planned": " of {planned}",
}

_CONDITIONS: Final[Mapping[GateKind, str]] = {
    GateKind.WHOLE_PLAN: "the whole plan was run",
    GateKind.EVERY_REQUEST: "every planned request was made",
    GateKind.FEW_ERRORS: "requests succeed",
    GateKind.BUSY_USERS: "users were busy all the time",
    GateKind.SPARE_CPU: "the generator had CPU to spare",
    GateKind.STEADY_LATENCY: "latency is steady",
}

_CHANGES: Final[Mapping[ChangeKind, str]] = {
    ChangeKind.REGRESSED: "worse",
    ChangeKind.IMPROVED: "better",
    ChangeKind.UNCHANGED: "no change that matters",
    ChangeKind.INCONCLUSIVE: "the repeats differ too much to tell",
}

_SENTENCES: Final[Mapping[What, str]] = {
    What.REFUSED: "{share} of the requests at {users} users were refused for their rate;"
    " {accepted_per_s:.1f}/s were accepted.",
    What.REFUSED_BY: "They ended at the call to {service}.",
    What.PHASE: "{ms:.0f} ms of every request are {activity}: {share} of the latency at the median"
    " load.",
    What.QUEUED_BECAUSE: "Its calls queue because of that.",
    What.MEMORY_ROSE: "The memory of {service} rose by {risen_mb:.0f} MB within steps of constant"
    " load ({observed_s:.0f} s), {kb_per_request:.0f} kB per request, and does not level off.",
    What.SLOWER: "{service} takes {slower_ms:.0f} ms longer than in the baseline at equal load,"
    " where a whole request took {before_ms:.0f} ms.",
    What.SLOWER_ON_THE_WAY: "{service} itself takes no longer: the time passes on the way to it"
    " (name lookup, connecting, the network) or before it begins.",
    What.CPU_BUSY: "Its CPU is {share} busy.",
    What.GREW: "From {low_users} to {users} users the mean grew from {low_ms:.0f} to {ms:.0f} ms,"
    " the throughput only {gained:.1f} times.",
    What.CPU_FULL: "The CPU of {service} is full: {cpu} at {users} users.",
    What.THREAD_FULL: "The CPU of {service} is full on one core, as of a single thread: {cpu} at"
    " {users} users.",
    What.SLOWED_BY_IT: "{share} of the growth is in times that {service} slows.",
    What.NEIGHBOURS: "Programs outside of the test use {foreign_cores:.1f} cores at every load and"
    " the host is full.",
    What.WAITS_FOR_CPU: "{service} waits for a CPU: {cpu}.",
    What.STANDS_STILL: "All that {service} times grew together ({share} of the growth), as when"
    " the whole process stands still: a blocked event loop, garbage collection, or a CPU that it"
    " does not get.",
    What.NO_MAJORITY: "No service explains more than half of it; {service} has the most, {share}.",
    What.UNTIMED_INSIDE: "{share} of it passed inside of {service}, which does not say where"
    " (no Server-Timing).",
    What.POOL_WAIT: "{share} of the growth is waiting for a connection of the pool to {service}.",
    What.POOL_BY_LITTLE: "By Little's law its calls keep {busy:.1f} connections busy"
    " ({per_s:.1f}/s of {held_ms:.0f} ms).",
    What.POOL_IN_USE: "{busy:.1f} of the pool's {size:.0f} connections are in use.",
    What.POOL_KEPT: "A connection is held for {held_ms:.0f} ms but used for {used_ms:.0f} ms: it is"
    " kept while something else is waited for.",
    What.ON_THE_WAY: "{share} of the growth is between {caller} and {service}, before {service}"
    " begins.",
    What.OWN_TIME_STAYED: "{service}'s own time stayed at {ms:.0f} ms.",
    What.UNTIMED_BUSY: "{service}, which no timer is named for, is busy then: {cpu} at {users}"
    " users.",
    What.CALLS_INSIDE: "By Little's law {calls:.1f} calls are inside of {service} at {users}"
    " users.",
    What.OWN_TIME: "{share} of the growth is {service}'s own time.",
    What.OUTSIDE_OF_CALLS: "{share} of the growth is inside of {service}, outside of all its"
    " calls.",
    What.AT_THE_DOOR: "{share} of the growth passes before {service} begins with the request; what"
    " it began goes on as before.",
    What.WORKS_ON: "By Little's law it works on {requests:.1f} requests at once, of {users} users.",
    What.HOLDS_ONE: "Throughput stops at {per_s:.1f}/s: each request holds something that only one"
    " can have for {demand_ms:.1f} ms.",
    What.IN_PARTS: "{share} of the growth is {parts}.",
    What.CPU_UNKNOWN: "The CPU of {service} is not known.",
    What.CPU_NO_LIMIT: "The CPU of {service} does not limit it: {cpu}.",
    What.NEXT_POOL: "At {per_s:.1f}/s the pool of {service} is used {share}, {demand_ms:.1f} ms of"
    " it per request: it allows {most_per_s:.1f}/s.",
    What.NEXT_CPU: "At {per_s:.1f}/s the CPU of {service} is used {share}, {demand_ms:.1f} ms of"
    " it per request: it allows {most_per_s:.1f}/s.",
    What.GENERATOR_FULL: "The load generator's CPU, with the wait for one, was more than 80 %"
    " full.",
    What.GENERATOR_ONLY: "The load generator's own CPU was full: its times say nothing of the"
    " target.",
    What.NO_REQUESTS: "There are no answered requests to explain.",
    What.ONE_STEP: "One number of users shows no limit.",
    What.NO_LIMIT: "Nothing limits it up to {users} users.",
    What.LARGEST_PART: "Its largest part is {part}, {share}.",
    What.NO_ANSWERS: "No step of the sweep has an answered request.",
    What.FEW_STEPS: "The sweep has fewer than two numbers of users with known parts: whether"
    " latency depends on load cannot be told.",
    What.FEW_SAMPLES: "The step of {users} users has only {samples} samples: its means are rough.",
    What.FAILURES: "{share} of the requests at {users} users failed: why cannot be told from their"
    " times, and the times of the others may be shorter for it.",
    What.NO_BASELINE: "There is no baseline: whether a dependency has become slower cannot be"
    " told.",
    What.NO_COMMON_STEP: "The baseline has no step with the same number of users: it cannot be"
    " compared with.",
    What.JUMPS: "Throughput jumps from step to step of the sweep: where it levels off cannot be"
    " told.",
    What.BEFORE_THE_KNEE: "The sweep ended at {users} users, before throughput levelled off: where"
    " it does cannot be told.",
    What.REFUSALS_UNTIMED: "Refused requests carry no Server-Timing: which service refused them"
    " cannot be told.",
    What.NO_TIMING: "Most answers carry no Server-Timing: which part of {service} or which call"
    " takes the time cannot be told.",
    What.OPAQUE_CALL: "{service} does not say what it takes itself: its own work cannot be told"
    " from the network and from waiting in front of it.",
    What.NO_CALLS: "{service} names no calls: whether it waits for others cannot be told.",
    What.NO_TELEMETRY: "There is no telemetry: whether a CPU or a pool is full cannot be told.",
    What.CPU_BLIND: "The CPU of {services} is not known: whether it is full cannot be told.",
    What.UNITS_RUN: "{run} of {planned} units were run",
    What.UNIT_ABORTED: "{unit} was aborted: {why}",
    What.ALL_UNITS: "all of them",
    What.UNITS_WHOLE: "{whole} of {run} units are whole",
    What.UNIT_BROKEN: "{unit}: {rows} rows{planned_if_any}, k6 ended with {exit_status}",
    What.ALL_ROWS: "a row for each planned request, and k6's own end",
    What.REQUESTS_FAILED: "{percent:.2f} % failed",
    What.COMMONEST_ERROR: "most often: {error}",
    What.FAILED_AT_MOST: "at most {percent:g} % of the baseline block",
    What.USERS_BUSY: "throughput x latency / users = {ratio:.2f}",
    What.BUSY_WITHIN: "{low:g} to {high:g}",
    What.GENERATOR_USED: "{share} of its cores",
    What.GENERATOR_BELOW: "below {share}",
    What.DRIFTED: "{share} from the first half to the second ({scenario})",
    What.DRIFT_AT_MOST: "at most {share} apart",
    What.NO_REQUEST: "no request",
    What.TOO_FEW_REQUESTS: "too few requests to tell",
    What.NOT_KNOWN: NOT_KNOWN,
    What.TOO_FEW_SAMPLES: "too few samples: {count}, it takes at least {needed}",
    What.NO_REQUEST_MADE: "No request was made.",
    What.SLOW_REQUESTS: "{slow} of {count} requests were not answered within {target_ms:g} ms"
    "{failures_if_any}: {low_percent:.1f} to {high_percent:.1f} % of all (95 % certain at either"
    " end), at most {allowed_percent:g} % may be.",
    What.MEASURED: "Measured: {measure}.",
    What.MEMORY_USED: "All services together used {used_bytes} at the fullest"
    " sample{most_bytes_if_any}; the limit is {limit_bytes}.",
    What.MEMORY_UNKNOWN: "No memory of any service is known: name the services in the settings.",
}

_CAUSES: Final[Mapping[CauseKind, str]] = {
    CauseKind.CPU_SATURATION: "the CPU of {service} is full",
    CauseKind.POOL_EXHAUSTION: "the pool of connections to {service} is exhausted",
    CauseKind.CALLER_LIMIT: "calls to {service} queue in front of it, at a limit of the caller",
    CauseKind.SERIAL_SECTION: "requests wait for each other inside of {service}",
    CauseKind.SLOW_DEPENDENCY: "{service} has become slow",
    CauseKind.RATE_LIMIT: "{service} refuses requests above a rate",
    CauseKind.SLOW_NAME_LOOKUP: "looking up names is slow",
    CauseKind.SLOW_CONNECT: "connecting is slow",
    CauseKind.SLOW_TRANSFER: "transferring the data is slow",
    CauseKind.MEMORY_GROWTH: "the memory of {service} only grows",
    CauseKind.UNKNOWN: "the cause is not known; most of the growth is in {service}",
}
_SHARE_OF: Final[Mapping[CauseKind, str]] = {
    CauseKind.RATE_LIMIT: "the requests",
    CauseKind.MEMORY_GROWTH: "what it holds was gained in the test",
    CauseKind.SLOW_DEPENDENCY: "the latency",
    CauseKind.SLOW_NAME_LOOKUP: "the latency",
    CauseKind.SLOW_CONNECT: "the latency",
    CauseKind.SLOW_TRANSFER: "the latency",
}

_CORES: Final = (
    "Give {service} {servers} cores, with as many worker processes ({now} now).",
    "low: one setting",
)
_ADVICE: Final[Mapping[RemedyKind, Advice]] = {
    RemedyKind.MORE_CONNECTIONS: Advice(
        "Give the pool of connections to {service} {servers} connections ({now} now).",
        "{service} must accept the sum of all pools; more connections bring nothing once its own"
        " CPU or disks are full.",
        "low: one setting",
    ),
    RemedyKind.SHORTER_HOLD: Advice(
        "Hold a connection half as long ({ms:.0f} ms now): give it back before other services are"
        " called.",
        "Transactions are cut; check what must stay atomic.",
        "medium: a change of code",
    ),
    RemedyKind.MORE_WORKERS: Advice(
        "Let {service} work on {servers} requests at once (about {now} now): its worker processes,"
        " its threads, or its limit of concurrent requests.",
        "Memory per worker; pools and services behind it get the load that the limit kept away.",
        "low: one setting",
    ),
    RemedyKind.MORE_CALLS: Advice(
        "Let the caller have {servers} calls to {service} under way at once (about {now} now):"
        " connections of its HTTP client, workers, threads.",
        "{service} gets the load that the limit kept away from it.",
        "low: one setting",
    ),
    RemedyKind.MORE_CORES: Advice(_CORES[0], "The host must have the cores to spare.", _CORES[1]),
    RemedyKind.MORE_CORES_THAN_THERE_ARE: Advice(
        _CORES[0],
        "The host has {host_cores:g} cores for everything: it takes a larger one, or a machine for"
        " {service} alone.",
        _CORES[1],
    ),
    RemedyKind.LESS_CPU: Advice(
        "Halve the {ms:.1f} ms of CPU that a request takes in {service}: profile it under this"
        " load, and begin with its top function.",
        "None for the data.",
        "medium: profiling and a change of code",
    ),
    RemedyKind.OWN_MACHINE: Advice(
        "Stop the host's other programs, or give the services a machine or CPU shares of their own;"
        " then measure again, for this run says little of the services themselves.",
        "The other programs have owners too.",
        "low: scheduling",
    ),
    RemedyKind.NO_LOCK: Advice(
        "Take the {ms:.1f} ms that only one request at a time can have in {service} out of the"
        " lock: a copy per worker, a finer lock, or none.",
        "What the lock protects must be safe without it.",
        "medium: find the lock (thread dumps under load), then a change of code",
    ),
    RemedyKind.SHORTER_LOCK: Advice(
        "Halve what is done inside of the lock of {service} ({ms:.1f} ms now).",
        "Low.",
        "medium: a change of code",
    ),
    RemedyKind.HIGHER_RATE: Advice(
        "Raise the rate limit of {service} to {wanted_per_s:.0f} requests/s ({now_per_s:.1f}/s"
        " now), or queue and cache in front of it.",
        "Cost, and the load that the limit kept away.",
        "low: one setting, if the provider grants it",
    ),
    RemedyKind.AS_IT_WAS: Advice(
        "Bring {service} back to what it was, {ms:.0f} ms less per request: compare its version,"
        " configuration, data size, indexes and caches with those of the baseline.",
        "None for a return to what was.",
        "medium: find the change",
    ),
    RemedyKind.NO_LOOKUP: Advice(
        "Keep connections alive, cache names on the host, or pin the address: looking up the name"
        " takes {ms:.0f} ms per request.",
        "Low.",
        "low: settings of client, proxy or resolver",
    ),
    RemedyKind.NO_CONNECT: Advice(
        "Keep connections alive and resume TLS sessions: connecting takes {ms:.0f} ms per request.",
        "Low.",
        "low: settings of client, proxy or resolver",
    ),
    RemedyKind.LESS_TRANSFER: Advice(
        "Halve the answer's bytes (compression, fewer fields, fewer chunks) or double the"
        " bandwidth: the transfer takes {ms:.0f} ms per request.",
        "Low.",
        "low: settings of client, proxy or resolver",
    ),
    RemedyKind.FIND_THE_LEAK: Advice(
        "Find what {service} keeps: compare two heap snapshots under this load. It gains"
        " {gb_per_hour:.1f} GB per hour of it; until then restart it in time.",
        "A restart drops the requests under way.",
        "medium: heap snapshots and a change of code",
    ),
    RemedyKind.MEASURE_INSIDE: Advice(
        "Measure inside of {place} first: Server-Timing of every call with the callee's own time"
        " ({timed_share} of the latency is accounted for now), its CPU with the wait for one, and"
        " its pools.",
        "None.",
        "low: instrumentation",
    ),
}
