"""The volumes component against tar and zstd, and verification against sha256sum."""

from __future__ import annotations

from pathlib import Path

from bench.sealed import back_up, new_keys
from bench.table import Line, say
from bench.timing import emptied, medians, need, shell
from onyx_pipelines.sandbox.sample_volumes import make_file_tree
from onyx_pipelines.sources.volumes import VolumesSource
from onyx_pipelines.vault.stores import LocalStore
from onyx_pipelines.vault.verification import verify

FILES = 20_000
BYTES = 2_000_000_000


def run(directory: Path) -> list[Line]:
    """2 GB in 20,000 files; the peer's file is synced too, since ours is durable at the end."""
    need("zstd")
    root = directory / "volume"
    say("making 2 GB in 20,000 files …")
    make_file_tree(root, file_count=FILES, total_bytes=BYTES, seed=7)
    store, keys = directory / "store", new_keys(directory)
    source, peer = VolumesSource({"bench": root}), directory / "peer.tar.zst"
    ids: list[str] = []

    def ours() -> None:
        ids.append(back_up(source, LocalStore(emptied(store), name="local"), keys).backup_id)

    seconds = medians(
        {
            "ours": ours,
            "tar | zstd -1 -T0": lambda: shell(
                f"tar -C {root} -cf - . | zstd -1 -T0 -q -f -o {peer} && sync -f {peer}"
            ),
        }
    )
    verification = medians(
        {
            "verify": lambda: verify(LocalStore(store, name="local"), ids[-1]),
            "sha256sum": lambda: shell(f"find {store} -name '*.sealed' -exec sha256sum {{}} +"),
        }
    )
    ratio = seconds["ours"] / seconds["tar | zstd -1 -T0"]
    rate = verification["sha256sum"] / verification["verify"]
    return [
        Line("volumes / tar | zstd -1 -T0", ratio, 1.25, "x", _detail(seconds)),
        Line("verify / sha256sum (rates)", rate, 0.8, "x", _detail(verification), at_least=True),
    ]


def _detail(seconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
