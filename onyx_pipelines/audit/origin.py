"""Who did something, and from where: a shell, an API token, the Dagster UI, or the daemon."""

from __future__ import annotations

import ipaddress
import os
import pwd
import socket
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

# Set by whoever launches runs for somebody else, so that the trail names that somebody.
CHANNEL_TAG = "onyx/launched_from"
ACTOR_TAG = "onyx/launched_by"
ADDRESS_TAG = "onyx/client_address"

_NOBODY_SIGNED_IN = 2**32 - 1


class Channel(StrEnum):
    """By which way an operation was asked for."""

    CLI = "cli"
    API = "api"
    UI = "dagster-ui"
    DAEMON = "daemon"


class Origin(BaseModel):
    """Who and from where.

    Args:
        actor: OS user, name of an API token, user of the UI, or what of the daemon's launched it.
        host: where the entry point runs.
        address: of the client, where one is known: for the API as the server saw it, for a shell
            as ssh says, which its user can change.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: Channel
    actor: str
    host: str
    address: str = ""

    @property
    def automatic(self) -> bool:
        return self.channel is Channel.DAEMON

    def as_tags(self) -> dict[str, str]:
        """Run tags from which `origin_of_run` makes this origin again."""
        tags = {CHANNEL_TAG: self.channel.value, ACTOR_TAG: self.actor, ADDRESS_TAG: self.address}
        return {name: value for name, value in tags.items() if value}


def cli_origin() -> Origin:
    """The user of this process. Behind sudo the one who signed in is named as well."""
    address = ""
    with suppress(ValueError):  # nobody came by SSH
        client = os.environ.get("SSH_CONNECTION", "").split(" ")[0]
        address = str(ipaddress.ip_address(client))
    host = socket.gethostname()
    return Origin(channel=Channel.CLI, actor=_os_user(), host=host, address=address)


def api_origin(token_name: str, client_address: str) -> Origin:
    """Of a request, by the name of its token: never the token itself."""
    return Origin(
        channel=Channel.API, actor=token_name, host=socket.gethostname(), address=client_address
    )


def origin_of_run(tags: Mapping[str, str]) -> Origin:
    """Who launched a Dagster run, by its tags.

    A run counts as the daemon's only with the tags that its daemon puts on: a tick together with
    its schedule or sensor, or the number of an automatic retry. A re-execution inherits its
    parent's tags, so without that number it is a person's. Whoever may launch runs can set tags
    as well: the web server's own log says who that was.
    """
    host = socket.gethostname()
    automatic = _automatic_cause(tags)
    if automatic:
        return Origin(channel=Channel.DAEMON, actor=automatic, host=host)
    actor, address = tags.get(ACTOR_TAG, ""), tags.get(ADDRESS_TAG, "")
    # A re-execution from the UI inherits these tags too, and nobody signed it with them.
    if actor and "dagster/parent_run_id" not in tags:
        channel = Channel.CLI if tags.get(CHANNEL_TAG) == Channel.CLI else Channel.API
        return Origin(channel=channel, actor=actor, host=host, address=address)
    return Origin(channel=Channel.UI, actor=tags.get("user") or Channel.UI.value, host=host)


def _automatic_cause(tags: Mapping[str, str]) -> str:
    if "dagster/parent_run_id" in tags:
        number = tags.get("dagster/retry_number")
        return f"retry {number} of run {tags['dagster/parent_run_id']}" if number else ""
    if "dagster/tick" not in tags:
        return ""
    if "dagster/schedule_name" in tags:
        return f"schedule {tags['dagster/schedule_name']}"
    return f"sensor {tags['dagster/sensor_name']}" if "dagster/sensor_name" in tags else ""


def _os_user() -> str:
    user = _user_name(os.getuid())
    with suppress(OSError, ValueError):  # not every kernel keeps it
        # The kernel's record of who signed in; sudo and su leave it as it is.
        signed_in = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
        if signed_in not in (os.getuid(), _NOBODY_SIGNED_IN):
            return f"{user} (signed in as {_user_name(signed_in)})"
    return user


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
