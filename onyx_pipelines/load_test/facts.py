"""What the analysis says, as data; `report/words.toml` has the words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto

from pydantic import BaseModel, ConfigDict, Field

Value = float | int | str | tuple[str, ...]


class RemedyKind(StrEnum):
    """What to do about a cause."""

    MORE_CONNECTIONS = auto()
    SHORTER_HOLD = auto()
    MORE_WORKERS = auto()
    MORE_CALLS = auto()
    MORE_CORES = auto()
    MORE_CORES_THAN_THERE_ARE = auto()
    LESS_CPU = auto()
    OWN_MACHINE = auto()
    NO_LOCK = auto()
    SHORTER_LOCK = auto()
    HIGHER_RATE = auto()
    AS_IT_WAS = auto()
    NO_LOOKUP = auto()
    NO_CONNECT = auto()
    LESS_TRANSFER = auto()
    FIND_THE_LEAK = auto()
    MEASURE_INSIDE = auto()


class What(StrEnum):
    """What was seen, or what could not be."""

    REFUSED = auto()
    REFUSED_BY = auto()
    PHASE = auto()
    QUEUED_BECAUSE = auto()
    MEMORY_ROSE = auto()
    SLOWER = auto()
    SLOWER_ON_THE_WAY = auto()
    CPU_BUSY = auto()
    GREW = auto()
    CPU_FULL = auto()
    THREAD_FULL = auto()
    SLOWED_BY_IT = auto()
    NEIGHBOURS = auto()
    WAITS_FOR_CPU = auto()
    STANDS_STILL = auto()
    NO_MAJORITY = auto()
    UNTIMED_INSIDE = auto()
    POOL_WAIT = auto()
    POOL_BY_LITTLE = auto()
    POOL_IN_USE = auto()
    POOL_KEPT = auto()
    ON_THE_WAY = auto()
    OWN_TIME_STAYED = auto()
    UNTIMED_BUSY = auto()
    CALLS_INSIDE = auto()
    OWN_TIME = auto()
    OUTSIDE_OF_CALLS = auto()
    AT_THE_DOOR = auto()
    WORKS_ON = auto()
    HOLDS_ONE = auto()
    IN_PARTS = auto()
    CPU_UNKNOWN = auto()
    CPU_NO_LIMIT = auto()
    NEXT_POOL = auto()
    NEXT_CPU = auto()
    GENERATOR_FULL = auto()
    GENERATOR_ONLY = auto()
    NO_REQUESTS = auto()
    ONE_STEP = auto()
    NO_LIMIT = auto()
    LARGEST_PART = auto()
    NO_ANSWERS = auto()
    FEW_STEPS = auto()
    FEW_SAMPLES = auto()
    FAILURES = auto()
    NO_BASELINE = auto()
    NO_COMMON_STEP = auto()
    JUMPS = auto()
    BEFORE_THE_KNEE = auto()
    REFUSALS_UNTIMED = auto()
    NO_TIMING = auto()
    OPAQUE_CALL = auto()
    NO_CALLS = auto()
    NO_TELEMETRY = auto()
    CPU_BLIND = auto()
    UNITS_RUN = auto()
    UNIT_ABORTED = auto()
    ALL_UNITS = auto()
    UNITS_WHOLE = auto()
    UNIT_BROKEN = auto()
    ALL_ROWS = auto()
    REQUESTS_FAILED = auto()
    COMMONEST_ERROR = auto()
    FAILED_AT_MOST = auto()
    USERS_BUSY = auto()
    BUSY_WITHIN = auto()
    GENERATOR_USED = auto()
    GENERATOR_BELOW = auto()
    DRIFTED = auto()
    DRIFT_AT_MOST = auto()
    NO_REQUEST = auto()
    TOO_FEW_REQUESTS = auto()
    NOT_KNOWN = auto()
    TOO_FEW_SAMPLES = auto()
    NO_REQUEST_MADE = auto()
    SLOW_REQUESTS = auto()
    MEASURED = auto()
    MEMORY_USED = auto()
    MEMORY_UNKNOWN = auto()


class Fact(BaseModel):
    """One thing that was seen: what, with its names and figures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: What
    values: Mapping[str, Value] = Field(default_factory=dict)


def fact(what: What, **values: Value | None) -> Fact:
    """What is not known is left out."""
    return Fact(what=what, values={name: v for name, v in values.items() if v is not None})
