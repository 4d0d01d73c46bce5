"""How the relay itself is: what it writes of itself, and what Prometheus is told of that. So that
its silence is seen by somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from onyx_pipelines.host.record_file import RecordFile


class Pulse(BaseModel):
    """Args:
    at: of the last pass that came to its end.
    heard: signals by source; told: messages by severity; held: events that waited for the next
        message; refused: by the webhooks' receiver.
    listing_failed_since: the tracker has not given its list since then.
    """

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    heard: dict[str, int] = Field(default_factory=dict)
    told: dict[str, int] = Field(default_factory=dict)
    held: int = 0
    refused: int = 0
    waiting: int = 0
    listing_failed_since: AwareDatetime | None = None


def pulse_file(state_dir: Path) -> RecordFile[Pulse]:
    """Of the relay of one host or stack."""
    return RecordFile(state_dir / "errors" / "relay" / "pulse.json", Pulse)


def relay_metrics(state_dir: Path) -> Iterator[Metric]:
    """Nothing where no relay ever ran."""
    pulse = None
    with suppress(OSError, ValidationError):  # its age is what the alert looks at
        pulse = pulse_file(state_dir).read()
    if pulse is None:
        return
    yield GaugeMetricFamily(
        "onyx_error_relay_last_pass_timestamp_seconds",
        "When the relay of error messages last looked at all that it watches.",
        value=pulse.at.timestamp(),
    )
    yield GaugeMetricFamily(
        "onyx_error_relay_undelivered",
        "Messages that no channel has taken yet.",
        value=pulse.waiting,
    )
    failed = pulse.listing_failed_since
    yield GaugeMetricFamily(
        "onyx_error_relay_tracker_silent_seconds",
        "For how long the tracker has not listed its issues; 0: it does.",
        value=(pulse.at - failed).total_seconds() if failed else 0.0,
    )
    yield _counted("heard", "Signals that were heard.", "source", pulse.heard)
    yield _counted("told", "Messages for people.", "severity", pulse.told)
    yield CounterMetricFamily(
        "onyx_error_relay_held", "Events that waited for the next message.", value=pulse.held
    )
    yield CounterMetricFamily(
        "onyx_error_relay_refused",
        "Webhooks without a right signature or address, or that could not be understood.",
        value=pulse.refused,
    )


def _counted(name: str, text: str, label: str, counts: dict[str, int]) -> Metric:
    metric = CounterMetricFamily(f"onyx_error_relay_{name}", text, labels=[label])
    for value, count in counts.items():
        metric.add_metric([value], count)
    return metric
