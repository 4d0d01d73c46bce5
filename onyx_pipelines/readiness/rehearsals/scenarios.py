"""What can be rehearsed: one incident for each playbook, told as people would see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.monitoring.playbooks import Playbook


@dataclass(frozen=True)
class Scenario:
    """One incident.

    Args:
        id: by which it is called: its playbook's, for the first of each playbook.
        breaks: what is done to the sandbox.
        symptoms: what somebody sees who knows nothing of that.
        answers: to the questions of the decision tree, by the symptoms alone.
        alerts: any of these is the right one to be told of.
    """

    id: str
    playbook: Playbook
    breaks: str
    symptoms: str
    answers: tuple[str, ...]
    alerts: frozenset[str]


_ERRORS: Final = "Nothing opens, people cannot sign in, or there are errors everywhere"
_ALL: Final = (
    Scenario(
        Playbook.LLM_DOWN.value,
        Playbook.LLM_DOWN,
        "The LLM proxy is killed (SIGKILL).",
        "Pages open. A question to the assistant ends with an error at once; searching documents"
        " without it finds them.",
        (
            "Pages open, and the assistant does not answer or answers with an error",
            "Yes",
        ),
        frozenset({"LitellmDown"}),
    ),
    Scenario(
        Playbook.DATABASE_FAILURE.value,
        Playbook.DATABASE_FAILURE,
        "PostgreSQL is stopped.",
        "Nobody can sign in, every page gives an error. PostgreSQL's exporter says `pg_up 0`.",
        (_ERRORS, "No"),
        frozenset({"PostgresqlUnhealthy", "PostgresqlDown"}),
    ),
    Scenario(
        "database-disk-full",
        Playbook.DATABASE_FAILURE,
        "Old images fill the disk of PostgreSQL's write-ahead log: it cannot write, ends, and does"
        " not start again.",
        "Nobody can sign in, every page gives an error. PostgreSQL's exporter says `pg_up 0`.",
        (_ERRORS, "No"),
        frozenset({"PostgresqlUnhealthy", "PostgresqlDown"}),
    ),
    Scenario(
        Playbook.HIGH_RESOURCE_USAGE.value,
        Playbook.HIGH_RESOURCE_USAGE,
        "A request to the API takes 350 MB of memory and a processor for minutes, so that nothing"
        " else is answered.",
        "Nothing opens any more, in the API's container a processor is at 100 %. PostgreSQL lets"
        " its exporter in.",
        (_ERRORS, "Yes"),
        frozenset(
            {"OnyxDown", "ContainerMemoryHigh", "ContainerOutOfMemory", "ContainerCpuHigh"}
            | {"HostCpuHigh", "HostMemoryHigh"}
        ),
    ),
    Scenario(
        Playbook.VECTOR_CORRUPTION.value,
        Playbook.VECTOR_CORRUPTION,
        "Qdrant is killed, the files of the collection `documents` are damaged, and it is started"
        " again: it cannot load them and ends.",
        "The assistant answers with an error, and documents are not found without it either. Saved"
        " chats open.",
        (
            "Pages open, and the assistant does not answer or answers with an error",
            "No",
            "Yes",
        ),
        frozenset({"QdrantDown", "QdrantCollectionUnwell"}),
    ),
    Scenario(
        Playbook.CERTIFICATE_EXPIRY.value,
        Playbook.CERTIFICATE_EXPIRY,
        "nginx serves a certificate that ends tomorrow.",
        "Everything works. A browser or a client that looks at the date warns of the certificate.",
        ("The browser warns of the certificate, or refuses to connect",),
        frozenset({"CertificateAboutToEnd", "CertificateExpiring"}),
    ),
    Scenario(
        Playbook.SYNC_FAILURE.value,
        Playbook.SYNC_FAILURE,
        "Qdrant refuses snapshots while the nightly backup runs, so that the run fails; then it"
        " refuses no longer.",
        "Everything works. A message says that the nightly backup failed.",
        ("A message says that a backup, drill, copy or synchronisation failed or did not come",),
        frozenset({"ScheduledRunFailed"}),
    ),
)
# By their names.
SCENARIOS: Final[Mapping[str, Scenario]] = {each.id: each for each in _ALL}
