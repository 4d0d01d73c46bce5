"""Whether anything was written to a server meanwhile, from the requests that it counts. Pure.

It counts them for all of its collections together: no change means that nothing was written.
"""

from __future__ import annotations

import re
from typing import Final

_COUNTER: Final = re.compile(r"^\w*?(rest|grpc)_responses_total\{(.*)\} (\d+)", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
# POST …/points reads points, PUT …/points writes them.
_REST_WRITES: Final = re.compile(
    r"PUT .*/points|(POST|PUT|DELETE) .*/points/(batch|delete|payload|vectors)\b"
)
_GRPC_WRITES: Final = re.compile(r"Points/(Upsert|Delete|Update|Set|Overwrite|Clear)")


def writes_counted(metrics: str) -> int:
    """Requests that write points, answered since the server's start (`/metrics`)."""
    return sum(
        int(count) for kind, labels, count in _COUNTER.findall(metrics) if _writes(kind, labels)
    )


def _writes(kind: str, labels: str) -> bool:
    named = dict(_LABEL.findall(labels))
    endpoint = named.get("endpoint", "")
    if kind == "grpc":
        return _GRPC_WRITES.search(endpoint) is not None
    return _REST_WRITES.match(f"{named.get('method', '')} {endpoint}") is not None
