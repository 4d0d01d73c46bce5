"""What everything else stands on: errors, settings, progress, logs, threads, verdicts."""
