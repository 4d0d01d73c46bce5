"""The aliases of restored collections, which no snapshot holds, and which go with a collection."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from onyx_pipelines.errors import SourceError
from onyx_pipelines.restore.qdrant.leftovers import Leftovers
from onyx_pipelines.restore.qdrant.restore_findings import not_restored
from onyx_pipelines.restore.qdrant.server import TargetQdrant
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.verdict import Verdict


def restore_aliases(
    server: TargetQdrant, aliases: Mapping[str, str], restored: Collection[str]
) -> list[Finding]:
    """Let each alias of a collection that was put in place mean it again.

    Args:
        aliases: collection by alias, as they were.
        restored: the collections.
    """
    wanted = {alias: name for alias, name in sorted(aliases.items()) if name in restored}
    return list(_restored(server, wanted))


def give_back_aliases(server: TargetQdrant, leftovers: Leftovers) -> None:
    """Set those again that went with a collection that was deleted to be made anew.

    Whoever has set one meanwhile knows better; one whose collection is not there yet waits for it.
    """
    if not leftovers.aliases:
        return
    there, collections = server.aliases(), set(server.collections())
    for alias, collection in leftovers.aliases.items():
        is_free = alias not in there and alias not in collections
        if is_free and collection not in collections:
            continue
        if is_free:
            server.point_alias(alias, collection, exists=False)
        leftovers.alias_is_back(alias)


def _restored(server: TargetQdrant, wanted: Mapping[str, str]) -> Iterator[Finding]:
    if not wanted:
        return
    there, collections = server.aliases(), set(server.collections())
    for alias, collection in wanted.items():
        if alias in collections:
            yield Finding(
                verdict=Verdict.FAILED,
                item=alias,
                aspect="alias",
                message=f"There is a collection named {alias}, so it cannot be an alias again",
                expected=f"an alias of {collection}",
                found="a collection",
            )
            continue
        if there.get(alias) != collection:
            try:
                server.point_alias(alias, collection, exists=alias in there)
            except SourceError as error:
                yield not_restored(alias, error)
                continue
        yield Finding(
            verdict=Verdict.PASSED,
            item=alias,
            aspect="alias",
            message=f"alias of {collection}",
        )
