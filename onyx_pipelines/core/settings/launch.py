"""Settings of the launch checklist: where people reach the stack."""

from __future__ import annotations

from pydantic import Field

from onyx_pipelines.core.settings.part import Part


class LaunchSettings(Part):
    """The address that people use."""

    public_url: str = Field(
        "",
        description="Where people use the stack, e.g. https://onyx.example.org: the launch"
        " checklist looks at its certificate, its headers and its login page. Empty: it cannot.",
    )
    login_path: str = Field("/auth", description="The login page, below that address.")
