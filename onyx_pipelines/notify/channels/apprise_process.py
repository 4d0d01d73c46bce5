"""Sends one message by apprise, in a process that can be killed: its messengers know no limit on
the whole. Reads JSON from standard input; its exit status says how it went."""

from __future__ import annotations

import json
import logging
import sys
from typing import Final

SENT: Final = 0
NOT_TAKEN: Final = 3
UNKNOWN_ADDRESS: Final = 4


def main() -> int:
    import apprise

    told = json.load(sys.stdin)
    # Its own log would name the address.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    messenger = apprise.Apprise()
    if not messenger.add(told["address"]):
        return UNKNOWN_ADDRESS
    sent = messenger.notify(
        title=told["title"],
        body=told["body"],
        notify_type=told["type"],
        body_format=apprise.NotifyFormat.TEXT,  # nothing in it is markup
    )
    return SENT if sent else NOT_TAKEN


if __name__ == "__main__":
    sys.exit(main())
