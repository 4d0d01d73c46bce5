"""`certbot` and `openssl` of the sandbox's host: the first stands in for a client of an authority,
the second is the real one, which finds the edge's certificate where Let's Encrypt would have it.

`python -m onyx_pipelines.sandbox.game_days.certificates DIRECTORY certbot|openssl …`
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from onyx_pipelines.sandbox.game_days.terminal import sandbox_at
from onyx_pipelines.sandbox.monitoring.programs import OPENSSL

if TYPE_CHECKING:
    from onyx_pipelines.sandbox.monitoring.edge import Edge

# Where the playbook looks, and the place of the sandbox's.
LIVE: Final = "/etc/letsencrypt/live/onyx/fullchain.pem"
# As long as Let's Encrypt gives them.
_DAYS: Final = 90


def certbot(edge: Edge, words: Sequence[str]) -> None:
    """`renew`, which nginx does not notice, or `renew --dry-run`, which changes nothing."""
    parser = argparse.ArgumentParser(prog="certbot")
    renewing = parser.add_subparsers(required=True).add_parser("renew")
    renewing.add_argument("--dry-run", action="store_true")
    if parser.parse_args(words).dry_run:
        sys.stdout.write(f"Simulating renewal of {LIVE}\nThe simulated renewal succeeded.\n")
    else:
        edge.issue(_DAYS)
        sys.stdout.write(f"Renewed {LIVE} for {_DAYS} days.\n")


def main() -> None:
    """As the head of this file says."""
    directory, command, *words = sys.argv[1:]
    edge = sandbox_at(directory).monitoring.edge
    if command == "certbot":
        certbot(edge, words)
        return
    there = [str(edge.certificate) if word == LIVE else word for word in words]
    sys.exit(subprocess.run([OPENSSL.found, *there], check=False).returncode)


if __name__ == "__main__":
    main()
