"""From samples and telemetry to one result: pure functions, no request is ever sent here."""
