"""What a run of a load test holds: the settings, and the host's exclusive lock."""

from onyx_pipelines.orchestration.resources import ExclusiveRun


class LoadTestRun(ExclusiveRun):
    """No backup beside a load test, which would be measured with it."""
