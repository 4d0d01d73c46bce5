"""Why something could not be looked at, and what to do about it."""

from __future__ import annotations

from onyx_pipelines.core.errors import OnyxError


class UnableError(OnyxError):
    """An item of the launch checklist could not be looked at.

    Cause: something is not configured, does not answer, or is not on this machine.
    Remedy: what the item's line says.
    """

    code = "launch-look"
