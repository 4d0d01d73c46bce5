"""Debian's programs of the watching, and which of them this machine has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Program:
    """`package`: Debian's, which has it."""

    name: str
    package: str

    @property
    def path(self) -> str | None:
        """None: it is not installed."""
        return shutil.which(
            self.name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
        )

    @property
    def found(self) -> str:
        """Raises FileNotFoundError: it is not installed."""
        if self.path is None:
            raise FileNotFoundError(self.name)
        return self.path


def _exporter(what: str) -> Program:
    return Program(f"prometheus-{what}-exporter", f"prometheus-{what}-exporter")


PROMETHEUS: Final = Program("prometheus", "prometheus")
ALERTMANAGER: Final = Program("prometheus-alertmanager", "prometheus-alertmanager")
NODE_EXPORTER: Final = _exporter("node")
POSTGRES_EXPORTER: Final = _exporter("postgres")
REDIS_EXPORTER: Final = _exporter("redis")
NGINX_EXPORTER: Final = _exporter("nginx")
BLACKBOX_EXPORTER: Final = _exporter("blackbox")
EXPORTERS: Final = (
    *(NODE_EXPORTER, POSTGRES_EXPORTER, REDIS_EXPORTER, NGINX_EXPORTER, BLACKBOX_EXPORTER),
)
REDIS: Final = Program("redis-server", "redis-server")
NGINX: Final = Program("nginx", "nginx")
OPENSSL: Final = Program("openssl", "openssl")


def all_there(say: Callable[[str], None], what: str, *needed: Program) -> bool:
    """Whether `what` can run here; one line where it cannot."""
    packages = [each.package for each in needed if each.path is None]
    if packages:
        say(f"Left out: {what}. Debian has it: apt-get install {' '.join(packages)}")
    return not packages
