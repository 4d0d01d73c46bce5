"""Sample volumes: files like a product's, and files that are awkward to archive.

Deterministic: the same arguments give the same names, contents and times.
"""

from __future__ import annotations

import errno
import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

# Modification times lie before this, so that they do not depend on when the sample was made.
_EPOCH_NS: Final = 1_750_000_000_000_000_000
_VOCABULARY: Final = """the of to and a in is answer question document index vector cluster backup
restore policy employee onboarding invoice quarter revenue customer contract renewal ticket incident
deploy rollback latency embedding chunk source connector permission group token session model prompt
retrieval context summary meeting project milestone roadmap budget estimate"""


def make_sample_volumes(directory: Path, *, size_bytes: int = 5_000_000) -> dict[str, Path]:
    """Create the volumes under `directory`; name to path, as ONYX_VOLUMES wants them.

    `size_bytes` is about what the ordinary files hold. What this file system or user cannot make
    (extended attributes, for one) is left out; an existing sample is completed, not doubled.
    """
    volumes = {
        "onyx_file_store": directory / "onyx_file_store",
        "onyx_model_cache": directory / "onyx_model_cache",
        "onyx_awkward_files": directory / "onyx_awkward_files",
    }
    for path in volumes.values():
        path.mkdir(parents=True, exist_ok=True)
    make_file_tree(
        volumes["onyx_file_store"],
        file_count=max(20, size_bytes // 100_000),
        total_bytes=size_bytes * 3 // 4,
        seed=1,
    )
    make_file_tree(volumes["onyx_model_cache"], file_count=6, total_bytes=size_bytes // 4, seed=2)
    make_awkward_files(volumes["onyx_awkward_files"])
    for path in volumes.values():
        _fix_times(path)
    return volumes


def make_file_tree(root: Path, *, file_count: int, total_bytes: int, seed: int) -> None:
    """Uploads of mixed sizes in nested directories; contents compress about 2 to 3 times."""
    chance = random.Random(seed)  # noqa: S311  (sample data)
    weights = [chance.lognormvariate(0, 1.2) for _ in range(file_count)]
    scale = total_bytes / sum(weights)
    text = _text(chance, 4 << 20)
    noise = chance.randbytes(2 << 20)
    for number, weight in enumerate(weights):
        folder = root / f"{number % 37:02d}" / f"{number % 11:x}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"upload-{number:06d}.bin").open("wb") as file:
            for piece in _pieces(chance, text, noise, int(weight * scale)):
                file.write(piece)


def make_awkward_files(root: Path) -> None:
    """Everything that a naive archiver gets wrong."""
    root.mkdir(parents=True, exist_ok=True)
    _make_odd_names(root / "names")
    _make_odd_kinds(root / "kinds")
    _make_odd_modes(root / "modes")
    deep = root / "deep" / Path(*(f"level-{n:02d}" for n in range(60)))
    deep.mkdir(parents=True, exist_ok=True)
    (deep / "at the bottom.txt").write_bytes(b"sixty levels down\n")
    (root / "empty directory").mkdir(exist_ok=True)


def _make_odd_names(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    names = (
        b"with space",
        b" leading and trailing ",
        b"new\nline",
        b"tab\tand \x1b[31mescape",
        b"'single' \"double\" `back` $HOME ;|&*?",
        b"back\\slash",
        b"-rf",
        b"--checkpoint-action=exec=false",
        b"...",
        b"~",
        b"C:\\file.txt",
        b"%41=percent",
        "composed-\u00e9".encode(),
        "decomposed-e\u0301".encode(),
        "\u65e5\u672c\u8a9e \U0001f512 \u202edesrever".encode(),
        b"latin1-\xe9\xff",
        b"long-" + b"n" * 250,
        b"Case",
        b"case",
    )
    for name in names:
        # A file system may refuse one of them (macOS: not UTF-8) or hold two for the same.
        with suppress(OSError):
            path = os.path.join(os.fsencode(folder), name)  # noqa: PTH118  (pathlib has no bytes)
            with open(path, "wb") as file:  # noqa: PTH123  (bytes)
                file.write(b"content of " + name + b"\n")
    long_path = folder / ("p" * 90) / ("q" * 90) / ("r" * 90)
    long_path.mkdir(parents=True, exist_ok=True)
    (long_path / ("s" * 120)).write_bytes(b"a path longer than 255 bytes\n")


def _make_odd_kinds(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "empty").write_bytes(b"")
    (folder / "one block").write_bytes(b"b" * 512)
    (folder / "one byte more").write_bytes(b"c" * 513)
    _make_sparse(folder / "sparse", size=64 << 20, data_at=(0, 5 << 20, (64 << 20) - 4096))
    _make_sparse(folder / "only a hole", size=16 << 20, data_at=())
    _make_sparse(folder / "hole at its end", size=8 << 20, data_at=(1 << 20,))
    original = folder / "hard link 1"
    original.write_bytes(b"one inode, three names\n")
    for link in (folder / "hard link 2", folder / "hard link 3"):
        link.unlink(missing_ok=True)
        os.link(original, link)
    for name, target in (
        ("to a file", "empty"),
        ("to a directory", "../names"),
        ("dangling", "does not exist"),
        ("to itself", "to itself"),
        ("out of the volume", "/etc/hostname"),
        ("long target", "t" * 300),
    ):
        link = folder / f"symlink {name}"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    fifo = folder / "fifo"
    if not fifo.exists():
        os.mkfifo(fifo, 0o640)
    _make_socket(folder)


def _make_odd_modes(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, mode in (
        ("setuid", 0o4755),
        ("setgid", 0o2755),
        ("read only", 0o444),
        ("everybody", 0o777),
        ("private", 0o600),
    ):
        path = folder / name
        if not path.exists():
            path.write_bytes(f"mode {mode:o}\n".encode())
            path.chmod(mode)
    for name, mode in (("sticky directory", 0o1777), ("setgid directory", 0o2775)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(mode)
    attributed = folder / "extended attributes"
    attributed.write_bytes(b"see getfattr -d\n")
    for attribute, value in (
        ("user.onyx.origin", b"connector-17"),
        ("user.onyx.binary", bytes(range(256))),
        ("user.with=equals%", b""),
    ):
        try:
            os.setxattr(attributed, attribute, value)
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise


def _make_sparse(path: Path, *, size: int, data_at: tuple[int, ...]) -> None:
    with path.open("wb") as file:
        file.truncate(size)
        for offset in data_at:
            file.seek(offset)
            file.write(b"data" * 1024)


def _make_socket(folder: Path) -> None:
    """Bound from inside the folder, because a socket's whole address is limited to 107 bytes."""
    name = folder / "socket"
    name.unlink(missing_ok=True)
    folder_fd = os.open(folder, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{folder_fd}/socket")
    finally:
        os.close(folder_fd)


def _text(chance: random.Random, length: int) -> bytes:
    vocabulary = _VOCABULARY.split()
    words = [
        *vocabulary * 700,
        *[f"{word}.\n" for word in vocabulary * 70],
        *[f"{word}{number}" for word in vocabulary for number in range(0, 1000, 4)],
    ]
    return " ".join(chance.choices(words, k=length // 5)).encode()[:length]


def _pieces(chance: random.Random, text: bytes, noise: bytes, length: int) -> Iterator[memoryview]:
    """Stretches of text, and of what does not compress, such as images inside of documents."""
    while length > 0:
        source = memoryview(text if chance.random() < 0.8 else noise)
        start = chance.randrange(len(source) - 65536)
        piece = source[start : start + min(length, chance.randrange(4096, 65536))]
        yield piece
        length -= len(piece)


def _fix_times(root: Path) -> None:
    """Children before their directory, whose own time they would change."""
    for number, (_, folders, files, folder_fd) in enumerate(
        os.fwalk(os.fsencode(root), topdown=False)
    ):
        for offset, name in enumerate(sorted([*folders, *files])):
            time_ns = _EPOCH_NS - number * 1_000_000_007 - offset * 1_001
            os.utime(name, ns=(time_ns, time_ns), dir_fd=folder_fd, follow_symlinks=False)
    os.utime(root, ns=(_EPOCH_NS, _EPOCH_NS))
