"""When scrubbing itself fails, next to nothing leaves. No test takes fixtures: `python -m bench
scrubbing` runs them against changed rules and code, and counts how often they notice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from onyx_pipelines_tests.errors.scrubbing_samples import scrubber


class Broken(Mapping[str, Any]):
    """Reads like a mapping until somebody looks at everything."""

    def __init__(self, inner: dict[str, Any]) -> None:
        self.inner = inner

    def __getitem__(self, key: str) -> Any:
        return self.inner[key]

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("bob@example.org")

    def __len__(self) -> int:
        return 1


def test_an_event_that_could_not_be_scrubbed_leaves_as_its_types_alone() -> None:
    failed = [
        {"type": "ValueError", "value": "bob@example.org"},
        {"type": "a.B_1"},
        {"type": "a b"},
    ]
    event = Broken({"event_id": "0f" * 16, "exception": {"values": failed}, "message": "x"})

    assert scrubber()(event) == {
        "event_id": "0f" * 16,
        "level": "error",
        "exception": {"values": [{"type": "ValueError"}, {"type": "a.B_1"}]},
        "fingerprint": ["scrubber-failed", "ValueError", "a.B_1"],
        "tags": {"scrubber": "failed"},
    }


@pytest.mark.parametrize("inner", [{}, {"event_id": "bob"}, {"event_id": 3}, {"exception": 3}])
def test_and_without_them_as_one_that_failed(inner: dict[str, Any]) -> None:
    told = scrubber()(Broken(inner))

    assert len(told.pop("event_id")) == 32
    assert told == {
        "level": "error",
        "exception": {"values": []},
        "fingerprint": ["scrubber-failed"],
        "tags": {"scrubber": "failed"},
    }


def test_what_is_no_event_leaves_as_one_that_failed() -> None:
    assert scrubber()("bob@example.org")["tags"] == {"scrubber": "failed"}  # type: ignore[arg-type]  # no event at all
