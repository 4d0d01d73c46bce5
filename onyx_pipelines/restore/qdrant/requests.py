"""What is asked of a real restore of Qdrant, and what then becomes which collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from onyx_pipelines.errors import SettingsError
from onyx_pipelines.restore.qdrant.collections import CollectionObjects
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.qdrant.address import normalised_url


@dataclass(frozen=True)
class QdrantRestoreRequest:
    """Which collections, and where to.

    Args:
        collections: names; none: every collection of the set.
        url, api_key: None: the server of the settings.
        collection_as: another name for the one collection chosen.
        replace: whether what is there may be replaced; otherwise the restore refuses.
        keep_old: has no meaning for Qdrant, which cannot rename a collection.
    """

    collections: tuple[str, ...] = ()
    url: str | None = None
    api_key: SecretStr | None = None
    collection_as: str = ""
    replace: bool = False
    keep_old: bool = False


@dataclass(frozen=True)
class Placement:
    """One collection of the set and its name on the server."""

    collection: CollectionObjects
    final_name: str


@dataclass(frozen=True)
class Address:
    """A server, the key for it, which is in no text, and certificates to trust."""

    url: str
    api_key: SecretStr
    ca_file: Path | None = None


def address_of(request: QdrantRestoreRequest, settings: Settings) -> Address:
    """The server to restore into.

    Raises:
        SettingsError: none is configured or named.
        SourceError: its address is not one.
    """
    url = request.url or settings.qdrant_url
    if not url:
        raise SettingsError(
            "The settings of this host name no Qdrant.",
            remedy="Set ONYX_QDRANT_URL, or name a server (--into http://HOST:6333).",
        )
    key = request.api_key if request.api_key is not None else settings.qdrant_api_key
    return Address(normalised_url(url), key, settings.qdrant_ca_file)


def placements_of(
    request: QdrantRestoreRequest, collections: Sequence[CollectionObjects]
) -> list[Placement]:
    """Each collection and the name it gets.

    Raises:
        SettingsError: another name for more than one collection.
    """
    if request.collection_as and len(collections) != 1:
        raise SettingsError(
            f"The name {request.collection_as!r} is for one collection, and {len(collections)} are"
            " to be restored.",
            remedy="Choose one with --collection:"
            f" {', '.join(each.name for each in collections) or 'none is there'}.",
        )
    return [Placement(each, request.collection_as or each.name) for each in collections]
