"""What is said of facts: what the analysis answers is data, its words are in words.toml.

The end of a figure's name says how it is written: share, bytes, ms, part, parts, measure, scenario;
`cpu` is what a service used of its cores.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final, NamedTuple

from onyx_pipelines.core.text import (
    NOT_KNOWN,
    gigabytes_text,
    latency_text,
    list_text,
    percent_text,
    printable,
    words,
)
from onyx_pipelines.load_test.facts import Fact, Value
from onyx_pipelines.load_test.part import APP
from onyx_pipelines.load_test.report.formatting import (
    WORDS,
    objective_text,
    part_name,
    quantity,
    within,
)
from onyx_pipelines.load_test.results import (
    Attribution,
    Capacity,
    Cause,
    CauseKind,
    Change,
    Gate,
    LoadTestResult,
    LoadVerdict,
    Objective,
    Percentile,
    Remedy,
    Validity,
)

NO_BASELINE: Final = (
    "No baseline was promoted for this environment: onyx load-test baseline promote RUN does it."
)


def sentence(fact: Fact) -> str:
    return _said("facts", fact.what, fact.values)


def evidence(cause: Cause) -> list[str]:
    return [sentence(each) for each in cause.facts]


def cannot_tell(attribution: Attribution) -> list[str]:
    return [sentence(each) for each in attribution.untold]


def headline(result: LoadTestResult) -> str:
    """The verdict's reason in one or two sentences."""
    verdict = result.verdict
    meaning: str = WORDS["verdicts"][verdict]
    if verdict is LoadVerdict.INVALID:
        return f"{meaning} Not met: {broken(result.validity)}."
    bad = [each for each in result.objectives if each.verdict is verdict]
    if verdict in {LoadVerdict.FAILED, LoadVerdict.INCONCLUSIVE} and bad:
        return f"{meaning} {'; '.join(map(objective_text, bad))}."
    return meaning


def summary(attribution: Attribution) -> str:
    """What limits the scenario, or what was seen instead."""
    cause = attribution.cause
    if cause is None or attribution.instead:
        return " ".join(map(sentence, attribution.instead))
    of_what = WORDS["shares"].get(cause.kind, WORDS["shares"]["other"])
    share = f"{percent_text(cause.share)} of {of_what}"
    return f"{_name(cause)} ({share}, confidence {cause.confidence:.2f})."


def bottleneck_lines(result: LoadTestResult) -> list[str]:
    """One sentence per scenario, with the first remedy."""
    return [
        f"{words(each.scenario)}: {summary(each)}"
        + (f" First remedy: {advice(each.remedies[0]).action}" if each.remedies else "")
        for each in result.attributions
    ]


def cause_text(cause: Cause) -> str:
    """`The CPU of db is full; share 93 % (89 to 96 %), confidence 0.94`."""
    share, interval = percent_text(cause.share), cause.share_interval
    if interval is not None and interval.low is not None and interval.high is not None:
        share += f" ({100 * interval.low:.0f} to {100 * interval.high:.0f} %)"
    return f"{_name(cause)}; share {share}, confidence {cause.confidence:.2f}"


def condition(gate: Gate) -> str:
    """What a run must fulfil at this gate to be valid."""
    return str(WORDS["conditions"][gate.kind])


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
    low, high = (
        NOT_KNOWN if end is None else f"{end:.2f}" for end in (interval.low, interval.high)
    )
    return (
        f"{ratio:.2f} times the baseline (above 1 is worse; 95 % interval {low} to {high}):"
        f" {WORDS['changes'][found.kind]}{alarm}."
    )


def capacity_lines(result: LoadTestResult) -> list[str]:
    """Highest throughput and knee of each scenario."""
    return [f"{words(each.scenario)}: {_capacity(each)}" for each in result.capacities]


def _capacity(found: Capacity) -> str:
    if not found.is_described:
        line = "could not tell, throughput jumps from step to step"
    elif not found.is_reached or found.knee_users is None:
        line = "the sweep ended before throughput levelled off"
    else:
        most = quantity(found.max_throughput_per_s, "answers per s")
        knee = f"{quantity(found.knee_users, 'users')}{within(found.knee_interval, 'users')}"
        line = f"at most {most}, knee at {knee}"
    more = " Throughput falls again with more users." if found.retrograde else ""
    return (
        f"{line}; one user alone waits {latency_text(found.base_ms)}; the model is off by"
        f" {percent_text(found.relative_error)}.{more}"
    )


class Advice(NamedTuple):
    """What to do, what may go wrong, and how much work it is."""

    action: str
    risk: str
    effort: str


def advice(remedy: Remedy) -> Advice:
    figures = _rendered({"service": remedy.service, **remedy.figures})
    said: dict[str, str] = WORDS["remedies"][remedy.kind]
    return Advice(**{name: text.format_map(figures) for name, text in said.items()})


def verification(remedy: Remedy) -> str:
    """How to see that it helped."""
    return (
        f"Run the load test again and compare the step of {remedy.users} users with what is"
        " predicted here."
    )


def command(result: LoadTestResult) -> str:
    """To be pasted into a shell, so that no profile's name can be anything but a name."""
    return f"onyx load-test run --profile {shlex.quote(printable(result.profile))}"


def _name(cause: Cause) -> str:
    is_worker_pool = cause.kind is CauseKind.POOL_EXHAUSTION and cause.service == APP
    kind = "worker_pool" if is_worker_pool else cause.kind
    text = _said("causes", kind, {"service": cause.service})
    return f"{text[0].upper()}{text[1:]}"


def _said(section: str, key: str, values: Mapping[str, Value]) -> str:
    text: str = WORDS[section][key]
    return text.format_map(_rendered(values))


def _rendered(values: Mapping[str, Value]) -> dict[str, Value]:
    shown = {name: _shown(name, value) for name, value in values.items()}
    # What is only said where it is known, and not none.
    asides = {
        f"{name}_if_any": text.format_map(shown) if values.get(name) else ""
        for name, text in WORDS["asides"].items()
    }
    return {**shown, **asides, "cpu": _cpu(values) if "cores" in values else ""}


def _shown(name: str, value: Value) -> Value:
    kind = name.rpartition("_")[2]
    if isinstance(value, tuple):
        return list_text([part_name(each) if kind == "parts" else each for each in value])
    if isinstance(value, str):
        return part_name(value) if kind == "part" else _plain(kind, value)
    if kind == "share":
        return percent_text(value)
    if kind == "ms":
        return latency_text(value)
    return gigabytes_text(value) if kind == "bytes" else value


def _plain(kind: str, value: str) -> str:
    return words(value) if kind in {"measure", "scenario"} else value


def _cpu(values: Mapping[str, Value]) -> str:
    names = ("cpu_cores", "cores", "run_queue_cores", "throttled_share")
    used, cores, queued, throttled = (float(values.get(name, 0.0)) for name in names)  # type: ignore[arg-type]  # figures, all of them
    waited = f" and {queued:.2f} waited for" if queued >= 0.05 else ""
    held_back = f", throttled {percent_text(throttled)} of the time" if throttled else ""
    return f"{used:.2f} of {cores:g} cores used{waited}{held_back}"
