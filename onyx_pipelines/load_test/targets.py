"""The spec's promises (AC9.6.2): what they are called, and where their limits are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from onyx_pipelines.load_test.results import Measure

CHAT_OBJECTIVE: Final = "chat p95"
RAG_OBJECTIVE: Final = "rag p95"
MEMORY_OBJECTIVE: Final = "peak memory"


@dataclass(frozen=True)
class Targets:
    """`chat_measure` None: the first token where answers are streamed, else the whole answer."""

    chat_p95_ms: float = 1500.0
    rag_p95_ms: float = 200.0
    memory_bytes: float = 12 * 2.0**30
    chat_measure: Measure | None = None
