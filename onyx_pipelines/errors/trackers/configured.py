"""From settings to a tracker."""

from __future__ import annotations

from onyx_pipelines.core.settings import ErrorSettings
from onyx_pipelines.errors.trackers.asking import LIMIT_S
from onyx_pipelines.errors.trackers.bugsink import Bugsink
from onyx_pipelines.errors.trackers.sentry import Sentry
from onyx_pipelines.errors.trackers.tracker import Tracker, TrackerError


def tracker_of(settings: ErrorSettings, *, limit_s: float = LIMIT_S) -> Tracker:
    """The one that is configured.

    Args:
        limit_s: for the whole of each answer.

    Raises:
        TrackerError: none is, or not all that it needs.
    """
    url, token = settings.error_tracker_url, settings.error_tracker_token
    if not url:
        raise TrackerError(
            "No error tracker is configured.", remedy="Set ONYX_ERROR_TRACKER_URL to its address."
        )
    if not token.get_secret_value():
        raise TrackerError(
            "The error tracker's API is asked with a token, and there is none.",
            remedy="Set ONYX_ERROR_TRACKER_TOKEN, or ONYX_ERROR_TRACKER_TOKEN_FILE.",
        )
    if settings.error_tracker == "bugsink":
        return Bugsink(url, token, settings.error_tracker_projects, limit_s=limit_s)
    if not settings.error_tracker_organization:
        raise TrackerError(
            "Sentry is asked about an organization, and none is named.",
            remedy="Set ONYX_ERROR_TRACKER_ORGANIZATION to its slug.",
        )
    organization = settings.error_tracker_organization
    return Sentry(url, organization, token, settings.error_tracker_projects, limit_s=limit_s)
