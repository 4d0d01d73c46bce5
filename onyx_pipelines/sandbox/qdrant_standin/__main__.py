"""`python -m onyx_pipelines.sandbox.qdrant_standin`: serve until SIGTERM, then flush."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from onyx_pipelines.sandbox.qdrant_standin.access import Keys
from onyx_pipelines.sandbox.qdrant_standin.node import Node
from onyx_pipelines.sandbox.qdrant_standin.web import create_app
from onyx_pipelines.sandbox.serving import serve


def main() -> None:
    """The keys come from STANDIN_API_KEY and STANDIN_READ_ONLY_KEY, not from argv."""
    parser = argparse.ArgumentParser(prog="qdrant_standin", description="Not Qdrant.")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    keys = Keys(os.environ.get("STANDIN_API_KEY", ""), os.environ.get("STANDIN_READ_ONLY_KEY", ""))
    serve(create_app(Node(arguments.directory, keys)), arguments.port)


if __name__ == "__main__":
    main()
