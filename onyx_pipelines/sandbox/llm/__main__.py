"""`python -m onyx_pipelines.sandbox.llm --port N`: the mock model on loopback."""

from __future__ import annotations

import argparse

from onyx_pipelines.sandbox.llm.delays import Delays
from onyx_pipelines.sandbox.llm.mock_model import create_app
from onyx_pipelines.sandbox.serving import serve


def main() -> None:
    """Serve until it is stopped."""
    parser = argparse.ArgumentParser(description="A language model with fixed delays.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--first-token-ms", type=float, default=Delays().first_token_ms)
    parser.add_argument("--token-ms", type=float, default=Delays().token_ms)
    parser.add_argument("--tokens", type=int, default=Delays().tokens)
    options = parser.parse_args()
    delays = Delays(
        first_token_ms=options.first_token_ms, token_ms=options.token_ms, tokens=options.tokens
    )
    serve(create_app(delays), options.port)


if __name__ == "__main__":
    main()
