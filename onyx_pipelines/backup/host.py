"""Everything that the steps of a backup need, made from the settings of this host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onyx_pipelines.core.settings import Settings, SourceSettings
from onyx_pipelines.sources.source import Component, Source
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.host_keys import optional_private_key
from onyx_pipelines.vault.keys import PrivateKey, Recipient
from onyx_pipelines.vault.recipients import load_recipients
from onyx_pipelines.vault.stores import open_stores
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust


@dataclass(frozen=True)
class BackupHost:
    """The stores and sources of one host. Making it touches no network."""

    settings: Settings
    stores: tuple[Store, ...]
    sources: Mapping[Component, Source]

    @property
    def first(self) -> Store:
        """The store that a backup writes to."""
        return self.stores[0]

    @property
    def copies(self) -> tuple[Store, ...]:
        """The stores that sets are copied to."""
        return self.stores[1:]

    @property
    def first_catalog(self) -> Catalog:
        """Of the first store alone: for what must not wait for a second one that is down."""
        return Catalog([self.first], self.trust)

    @property
    def catalog(self) -> Catalog:
        return Catalog(self.stores, self.trust)

    @property
    def name(self) -> str:
        return self.settings.host

    @property
    def trust(self) -> Trust:
        """Whose sets count, read anew each time."""
        return Trust.of(self.settings)

    def recipients(self) -> tuple[Recipient, ...]:
        """Whom new sets are sealed to, read anew each time."""
        return load_recipients(self.settings.recipients_file)

    def private_key(self) -> PrivateKey | None:
        """None on a host that holds public keys only."""
        return optional_private_key(self.settings)


def open_host(settings: Settings) -> BackupHost:
    """Its stores and sources by the settings, neither of them asked for anything yet."""
    return BackupHost(settings, open_stores(settings), configured_sources(settings))


def configured_sources(settings: SourceSettings) -> dict[Component, Source]:
    """The components that this host has, by their settings."""
    # Imported where they are configured: their clients take a third of a second.
    sources: dict[Component, Source] = {}
    if settings.pg_host:
        from onyx_pipelines.sources.postgres import PostgresSource

        sources[Component.POSTGRESQL] = PostgresSource.from_settings(settings)
    if settings.qdrant_url:
        from onyx_pipelines.sources.qdrant import QdrantSource

        sources[Component.QDRANT] = QdrantSource.from_settings(settings)
    if settings.volumes or settings.recipe:
        from onyx_pipelines.sources.volumes import VolumesSource

        sources[Component.VOLUMES] = VolumesSource.from_settings(settings)
    return sources
