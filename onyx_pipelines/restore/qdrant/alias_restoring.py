"""The aliases of restored collections, which no snapshot holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from onyx_pipelines.restore.qdrant.requests import Placement
from onyx_pipelines.restore.qdrant.server import TargetQdrant
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.verdict import Verdict


def restore_aliases(
    server: TargetQdrant,
    aliases: Mapping[str, str],
    placements: Sequence[Placement],
    findings: Sequence[Finding],
) -> list[Finding]:
    """Let each alias of a collection that was put in place mean it again.

    Args:
        aliases: collection by alias, as they were.
        findings: of the collections.
    """
    failed = {each.item for each in findings if each.verdict is Verdict.FAILED}
    restored = {each.final_name for each in placements} - failed
    wanted = {alias: name for alias, name in sorted(aliases.items()) if name in restored}
    return list(_restored(server, wanted))


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
            server.point_alias(alias, collection, exists=alias in there)
        yield Finding(
            verdict=Verdict.PASSED,
            item=alias,
            aspect="alias",
            message=f"alias of {collection}",
        )
