"""What a run of the drill holds: the settings, and the host's exclusive lock."""

from onyx_pipelines.run_resources import ExclusiveRun


class DrillRun(ExclusiveRun):
    """No drill beside a backup, which would measure neither rightly."""
