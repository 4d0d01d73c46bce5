"""The SDK's way out: everything that it would send goes into the spool. Nothing else of the SDK
sends, and of what it makes only events and check-ins are taken: all that was scrubbed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentry_sdk.transport import Transport

from onyx_pipelines.core.logs import logger
from onyx_pipelines.errors.delivery import Delivery
from onyx_pipelines.errors.envelope import Kind, envelope_of, id_of
from onyx_pipelines.errors.spool import Spool

if TYPE_CHECKING:
    from sentry_sdk.envelope import Envelope

_log = logger("errors")


class SpoolTransport(Transport):
    """Of one process."""

    def __init__(self, spool: Spool, delivery: Delivery) -> None:
        super().__init__()
        self._spool = spool
        self._delivery = delivery

    def capture_envelope(self, envelope: Envelope) -> None:
        """Never raises: who captures an error has enough to do with that one."""
        for item in envelope.items:
            payload = item.payload.json
            if payload and item.type == "event":
                self._keep(payload, "event")
            elif payload and item.type == "check_in":
                self._keep(payload, "check_in")

    def flush(self, timeout: float, callback: Any = None) -> None:  # noqa: ARG002  (the SDK's own)
        """At the end of the process."""
        self._delivery.flush(timeout)

    def kill(self) -> None:
        """The SDK is closed; what is left is delivered by another process."""
        self._delivery.stop()

    def _keep(self, item: dict[str, Any], kind: Kind) -> None:
        try:
            envelope, event_id = envelope_of(item, kind), id_of(item)
        except Exception as error:  # noqa: BLE001  (see above)
            _log.error("an event is lost: it cannot be written (%s)", type(error).__name__)
            return
        try:
            self._spool.put(event_id, envelope)
            self._delivery.wake(len(envelope))
        except OSError as error:
            _log.warning("an event is only in memory (%s)", type(error).__name__)
            self._delivery.hold(envelope)
