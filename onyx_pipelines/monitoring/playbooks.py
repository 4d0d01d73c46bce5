"""The six playbooks of the specification (AC9.5.1) and the anchors that alerts link to."""

from __future__ import annotations

from enum import StrEnum


class Playbook(StrEnum):
    """Value: the anchor in docs/INCIDENTS.md."""

    LLM_DOWN = "llm-service-down"
    DATABASE_FAILURE = "database-failure"
    HIGH_RESOURCE_USAGE = "high-resource-usage"
    VECTOR_CORRUPTION = "vector-db-corruption"
    CERTIFICATE_EXPIRY = "ssl-expiry"
    SYNC_FAILURE = "sync-job-failure"
