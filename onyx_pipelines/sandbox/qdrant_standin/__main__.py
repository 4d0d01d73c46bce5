"""`python -m onyx_pipelines.sandbox.qdrant_standin`: serve until SIGTERM, then flush."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from onyx_pipelines.sandbox.qdrant_standin.access import Keys
from onyx_pipelines.sandbox.qdrant_standin.http_server import StandInServer
from onyx_pipelines.sandbox.qdrant_standin.node import Node


def main() -> None:
    """The keys come from STANDIN_API_KEY and STANDIN_READ_ONLY_KEY, not from argv."""
    parser = argparse.ArgumentParser(prog="qdrant_standin", description="Not Qdrant.")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    keys = Keys(os.environ.get("STANDIN_API_KEY", ""), os.environ.get("STANDIN_READ_ONLY_KEY", ""))
    node = Node(arguments.directory, keys)
    with StandInServer(node, arguments.port) as server:
        # shutdown() waits for serve_forever(), which this very thread runs.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(
                number, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start()
            )
        sys.stdout.write(f"listening on {server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.1)
    node.close()


if __name__ == "__main__":
    main()
