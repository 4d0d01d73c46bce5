"""The command line: thin commands over the domain code, none of which needs Dagster."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

from onyx_pipelines.terminal.ending import as_process

__all__ = ["main"]


def main() -> NoReturn:
    """`onyx`. Its commands are loaded inside: that takes a second, which Ctrl-C may hit as well."""

    def command() -> object:
        # `app` switches it on when all is loaded.
        gc.disable()
        # httpx's own command line: with rich, pygments and click a tenth of our start; and HTTP/2,
        # which no call of ours speaks.
        for unused in ("httpx._main", "h2"):
            sys.modules.setdefault(unused, None)  # type: ignore[arg-type]  # absent modules are None there
        # It would read the description of every package on this host, for plugins that we have not.
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
        from onyx_pipelines.cli import app

        return app.main()

    as_process(command)
