"""The six playbooks of the specification (AC9.5.1) and the anchors that alerts link to."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

# Where a forge shows a file of a repository.
_FORGE: Final = ("/blob/", "/src/", "/-/tree/", "/tree/")


class Playbook(StrEnum):
    """Value: the anchor in docs/INCIDENTS.md."""

    LLM_DOWN = "llm-service-down"
    DATABASE_FAILURE = "database-failure"
    HIGH_RESOURCE_USAGE = "high-resource-usage"
    VECTOR_CORRUPTION = "vector-db-corruption"
    CERTIFICATE_EXPIRY = "ssl-expiry"
    SYNC_FAILURE = "sync-job-failure"

    def link(self, docs_url: str) -> str:
        """To what it says.

        Args:
            docs_url: of the built site, or of docs/ on a forge; without a slash at its end.
        """
        suffix = ".md" if any(part in f"{docs_url}/" for part in _FORGE) else ".html"
        return f"{docs_url}/INCIDENTS{suffix}#{self.value}"
