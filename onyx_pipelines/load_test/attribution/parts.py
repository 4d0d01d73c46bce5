"""Cuts each request's latency into exclusive parts: who had the request, and for how long.

For every row the parts sum to blocked + sending + waiting + receiving. What the server does not say
(rows without Server-Timing) stays one part, `server`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from onyx_pipelines.load_test.attribution.server_timing import (
    TOTAL,
    ServerTimings,
    read_server_timings,
)
from onyx_pipelines.load_test.part import (
    APP_SELF,
    BEFORE_THE_SERVER,
    CONNECT,
    INGRESS,
    NAME_LOOKUP,
    RECEIVE,
    SEND,
    SERVER,
    TLS,
    Part,
    Role,
)

# The columns of the samples that the parts are made from.
COLUMNS_OF_PARTS: Final = (
    *("blocked_ms", "connecting_ms", "tls_ms", "sending_ms", "waiting_ms", "receiving_ms"),
    *("first_token_ms", "server_timing"),
)
# Bounds the memory that the means of a million rows take.
_CHUNK_ROWS: Final = 65_536
_ALWAYS: Final = (*BEFORE_THE_SERVER, RECEIVE)
# Clocks of client and server differ in rate and rounding; beyond this a total that outlasts the
# wait for the first byte means a streamed answer.
_STREAMED_ABOVE_MS: Final = 1.0
_STREAMED_ABOVE_SHARE: Final = 0.01


def parts_of(samples: pd.DataFrame) -> pd.DataFrame:
    """One float column of milliseconds per part, on the samples' index.

    Columns: name_lookup, connect, tls, send, receive always; server if some row has no
    Server-Timing total; ingress, app_self, <hop>_srv, <hop>_gap, <hop>_wait if some row has one. A
    hop whose callee says nothing about itself has only `<hop>_srv`. NaN counts as 0.
    """
    return pd.DataFrame(_parts(samples), index=samples.index, copy=False)


def mean_parts(samples: pd.DataFrame) -> dict[Part, float]:
    """Mean milliseconds per part over all rows; they sum to the mean latency. Empty without rows.

    A part that no row has any time in is left out, but for what the generator always sees.
    """
    sums: dict[Part, float] = {}
    for start in range(0, len(samples), _CHUNK_ROWS):
        for name, spent in _parts(samples.iloc[start : start + _CHUNK_ROWS]).items():
            sums[name] = sums.get(name, 0.0) + float(spent.sum())
    return {
        name: total / len(samples) for name, total in sums.items() if total > 0 or name in _ALWAYS
    }


def _parts(samples: pd.DataFrame) -> dict[Part, np.ndarray]:
    blocked, waiting, receiving = (
        _milliseconds(samples, name) for name in ("blocked_ms", "waiting_ms", "receiving_ms")
    )
    # k6 takes the three from different readings of its clock: connect and TLS never exceed the
    # blocked time that contains them.
    connect = np.minimum(_milliseconds(samples, "connecting_ms"), blocked)
    tls = np.minimum(_milliseconds(samples, "tls_ms"), blocked - connect)
    parts: dict[Part, np.ndarray] = {
        NAME_LOOKUP: blocked - connect - tls,
        CONNECT: connect,
        TLS: tls,
        SEND: _milliseconds(samples, "sending_ms"),
    }
    timings = read_server_timings(samples["server_timing"])
    known = timings.is_present
    if not known.all():
        parts[SERVER] = np.where(known, 0.0, waiting)
    if known.any():
        has_first_token = samples["first_token_ms"].notna().to_numpy(dtype=np.bool_)
        parts |= _server_parts(timings, waiting, receiving, has_first_token)
    parts[RECEIVE] = np.where(known, parts.get(RECEIVE, 0.0), receiving)
    return parts


def _milliseconds(samples: pd.DataFrame, name: str) -> np.ndarray:
    values: np.ndarray = samples[name].to_numpy(dtype=np.float64, na_value=np.nan)
    durations: np.ndarray = np.clip(np.nan_to_num(values, nan=0.0), 0.0, None)
    return durations


def _server_parts(
    timings: ServerTimings,
    waiting: np.ndarray,
    receiving: np.ndarray,
    has_first_token: np.ndarray,
) -> dict[Part, np.ndarray]:
    """All columns are 0 in rows without a total, but for `receive`, which the caller replaces."""
    known = timings.is_present
    total = np.minimum(timings.durations_ms[TOTAL], waiting + receiving)
    outlasts = total > waiting * (1 + _STREAMED_ABOVE_SHARE) + _STREAMED_ABOVE_MS
    # A stream that waited long to begin need not outlast that wait.
    is_streamed = has_first_token | outlasts
    outside = waiting + receiving - total
    # A streamed answer's total runs on after the first byte: of the time outside of the server as
    # much as fits before the first byte was spent before the server began.
    ingress = np.where(
        is_streamed, np.minimum(outside, waiting), np.clip(waiting - total, 0.0, outside)
    )
    hops = _hop_parts(timings)
    called = sum(hops.values(), np.zeros(len(known)))
    # Calls made in parallel add up to more than the time they took together.
    scale = np.divide(total, called, out=np.ones_like(total), where=called > total)
    hops = {name: values * scale for name, values in hops.items()}
    server = {
        INGRESS: ingress,
        APP_SELF: np.maximum(total - called * scale, 0.0),
        **hops,
    }
    parts = {name: np.where(known, values, 0.0) for name, values in server.items()}
    parts[RECEIVE] = outside - ingress
    return parts


def _hop_parts(timings: ServerTimings) -> dict[Part, np.ndarray]:
    """Columns in the order of the first mention, a hop's together: wait, gap, srv."""
    names = [name for name in timings.durations_ms if name != TOTAL]
    hops = list(dict.fromkeys(_hop_of_metric(Part(name)) for name in names))
    parts: dict[Part, np.ndarray] = {}
    for hop in hops:
        wait = timings.duration_ms(Part.of_call(hop, Role.WAIT))
        called = timings.duration_ms(hop)
        callee = timings.duration_ms(Part.of_call(hop, Role.SRV))
        if wait is not None:
            parts[Part.of_call(hop, Role.WAIT)] = wait
        if called is not None and callee is not None:
            # The callee's clock may be coarser than ours: its share never exceeds the call.
            parts[Part.of_call(hop, Role.GAP)] = np.maximum(called - callee, 0.0)
        whole = callee if callee is not None else called
        if whole is not None:
            parts[Part.of_call(hop, Role.SRV)] = (
                whole if called is None else np.minimum(whole, called)
            )
    return parts


def _hop_of_metric(metric: Part) -> str:
    return metric.owner.service if metric.is_of_call and metric.owner.role != Role.GAP else metric
