"""Whether the collections of a server could be backed up now, and restored, with this key.

Reads only: what a key may do shows in what is answered for a snapshot, or a collection, that is
not there.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.qdrant.address import normalised_url
from onyx_pipelines.sources.qdrant.collection_api import CollectionApi
from onyx_pipelines.sources.qdrant.condition import Trouble, recovery_mode, refusal, troubles
from onyx_pipelines.sources.qdrant.failures import (
    BusyError,
    NotThereError,
    QdrantErrors,
    RefusedError,
)
from onyx_pipelines.sources.qdrant.patience import A_LOOK_S, Patience
from onyx_pipelines.sources.qdrant.scratch_names import is_scratch, new_scratch_name
from onyx_pipelines.sources.qdrant.snapshot_api import SnapshotApi, open_http

_TIMEOUT_S: Final = 60.0
_GLANCE_S: Final = 10.0


def examine(
    collections: CollectionApi, snapshots: SnapshotApi, errors: QdrantErrors, names: Sequence[str]
) -> str:
    """What the key may do, in a few words.

    Raises:
        SourceError: all that a person should mend, one after the other.
    """
    found = [
        *recovery_mode(snapshots.metrics()),
        *(each for name in names for each in _of_collection(collections, errors, name)),
        *_without_rights(snapshots, names),
    ]
    if found:
        raise errors.failed(
            "examining it",
            "; ".join(each.what for each in found),
            remedy=" ".join(dict.fromkeys(each.remedy for each in found)),
        )
    if may_manage(snapshots):
        return "the key may make snapshots and restore them"
    return "the key may make snapshots of these, and restore none"


def describe_target(
    url: str, api_key: SecretStr, ca_file: Path | None, *, patience_s: float = A_LOOK_S
) -> str:
    """A server that collections are to be restored into.

    Args:
        patience_s: with one that limits its rate.

    Raises:
        SourceError: it does not answer, or the key may not do that.
    """
    address = normalised_url(url)
    errors = QdrantErrors(address, api_key)
    with open_http(address, api_key, read_timeout_s=_TIMEOUT_S, ca_file=ca_file) as http:
        snapshots = SnapshotApi(http, errors, Patience(whole_s=patience_s))
        version = snapshots.version()
        require_management(snapshots, errors)
    return f"Qdrant {version} at {address}; the key may restore collections"


def count_unwell(url: str, api_key: SecretStr, ca_file: Path | None) -> int:
    """Collections that are red or grey, or whose replicas are not all active.

    Raises:
        SourceError: the server does not answer, or not this key.
    """
    address = normalised_url(url)
    errors = QdrantErrors(address, api_key)
    with open_http(address, api_key, read_timeout_s=_GLANCE_S, ca_file=ca_file) as http:
        collections = CollectionApi(
            http, errors, timeout_s=_GLANCE_S, patience=Patience(whole_s=A_LOOK_S)
        )
        names = [name for name in collections.names() if not is_scratch(name)]
        return sum(
            bool(troubles(name, collections.info(name), collections.cluster(name)))
            for name in names
        )


def require_management(snapshots: SnapshotApi, errors: QdrantErrors) -> None:
    """Raises SourceError: the key may not do what a restore needs."""
    if not may_manage(snapshots):
        raise errors.failed(
            "examining it",
            "the key may not make, restore and drop collections",
            remedy="Use the server's API key, or a token (JWT) with the access `m`.",
        )


def may_manage(snapshots: SnapshotApi) -> bool:
    """Whether the key may do everything, which a restore needs."""
    try:
        snapshots.create(new_scratch_name(), timeout_s=_TIMEOUT_S)
    except NotThereError:
        return True
    except BusyError:
        raise
    except RefusedError:
        return False
    return True


def _of_collection(collections: CollectionApi, errors: QdrantErrors, name: str) -> list[Trouble]:
    try:
        with errors.during(f"reading the collection {name!r}"):
            info, cluster = collections.info(name), collections.cluster(name)
            refused = refusal(name, info, cluster)
            return [*([refused] if refused else []), *troubles(name, info, cluster)]
    except NotThereError:
        return []
    except SourceError as error:
        return [Trouble(error.what.rstrip("."), error.remedy)]


def _without_rights(snapshots: SnapshotApi, names: Sequence[str]) -> Iterator[Trouble]:
    """A snapshot is deleted after it was read, which needs the same right as making it."""
    refused: dict[str, RefusedError] = {}
    for name in names:
        try:
            snapshots.delete(name, f"{new_scratch_name()}-{secrets.token_hex(4)}.snapshot")
        except BusyError:
            raise
        except RefusedError as error:
            refused[name] = error
    if refused:
        first = next(iter(refused.values()))
        yield Trouble(
            f"the key may not make snapshots of {', '.join(refused)} ({first.what.rstrip('.')})",
            first.remedy,
        )
