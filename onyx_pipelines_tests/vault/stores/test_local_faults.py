"""A disk that is full, read-only, gone or slow to be told, and writers that are killed."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.vault.stores.local import TEMPORARY_PREFIX, LocalStore
from onyx_pipelines_tests.children import child

KEY = "sets/id/postgresql/onyx.dump.zst.sealed"
SOON = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def closed_umask() -> Iterator[None]:
    before = os.umask(0o777)
    yield
    os.umask(before)


def write(store: LocalStore, size: int, key: str = KEY) -> None:
    with store.create(key) as writer:
        for begin in range(0, size, 65536):
            writer.write(bytes(min(65536, size - begin)))


def path_of(fd: int) -> Path:
    return Path(f"/proc/self/fd/{fd}").readlink()


def files(store: LocalStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file()]


def modes(store: LocalStore) -> set[tuple[bool, int]]:
    return {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in store.root.rglob("*")}


@pytest.mark.usefixtures("open_umask")
def test_only_the_owner_may_read_what_was_written(store: LocalStore) -> None:
    store.put(KEY, b"x")

    assert modes(store) == {(True, 0o700), (False, 0o600)}


@pytest.mark.usefixtures("closed_umask")
def test_the_owner_may_read_it_whatever_the_umask(store: LocalStore) -> None:
    store.put(KEY, b"x")

    assert modes(store) == {(True, 0o700), (False, 0o600)}


def test_file_and_directories_are_synced_before_and_after_the_rename(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(fd: int) -> None:
        real_fsync(fd)
        path = path_of(fd)
        events.append("file" if path.is_file() else str(path.relative_to(store.root)))

    def replace(source: str | Path, target: str | Path) -> None:
        real_replace(source, target)
        events.append("rename")

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)

    store.put("sets/id/manifest.json", b"x")

    assert events == ["file", "rename", "sets/id", "sets", "."]


def test_a_real_limit_of_the_file_system_leaves_nothing(store: LocalStore) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(StoreError, match="File too large") as caught:
            write(store, 2_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old_handler)

    assert "ulimit" in caught.value.remedy
    assert files(store) == []


@pytest.mark.parametrize(
    ("code", "transient", "remedy"),
    [
        (errno.ENOSPC, False, "Free space"),
        (errno.EDQUOT, False, "quota"),
        (errno.EIO, False, "dmesg"),
        (errno.ESTALE, True, "again"),
        (errno.ETIMEDOUT, True, "again"),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync", "open", "close"])
def test_a_failing_disk_is_one_clear_error_and_leaves_nothing(
    store: LocalStore,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    code: int,
    transient: bool,
    remedy: str,
) -> None:
    store.put(KEY, b"earlier")
    real = getattr(os, call)
    monkeypatch.setattr(os, call, _failing_for_temporary_files(real, code))

    with pytest.raises(StoreError, match=os.strerror(code)) as caught:
        write(store, 200_000)

    monkeypatch.setattr(os, call, real)
    assert KEY in caught.value.what
    assert remedy in caught.value.remedy
    assert caught.value.transient is transient
    assert [path.read_bytes() for path in files(store)] == [b"earlier"]


def _failing_for_temporary_files(real: Callable[..., Any], code: int) -> Callable[..., Any]:
    """`real` for every file but a temporary one; a close is done and fails all the same."""

    def call(first: int | Path, *rest: Any, **named: Any) -> Any:
        path = path_of(first) if isinstance(first, int) else Path(first)
        spoilt = path.name.startswith(TEMPORARY_PREFIX)
        result = real(first, *rest, **named) if real is os.close or not spoilt else None
        if spoilt:
            raise OSError(code, os.strerror(code))
        return result

    return call


def test_a_writer_that_goes_on_after_an_error_does_not_make_an_object(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def write_on() -> None:
        with store.create(KEY) as writer:
            with monkeypatch.context() as patched, suppress(StoreError):
                patched.setattr(os, "write", full)
                writer.write(b"lost")
            writer.write(b"not lost")

    with pytest.raises(StoreError, match="No space"):
        write_on()

    assert files(store) == []


def test_short_writes_are_completed(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))

    store.put(KEY, b"0123456789" * 10)

    monkeypatch.undo()
    assert store.get(KEY) == b"0123456789" * 10


def test_a_full_file_system_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from onyx_pipelines.core.errors import StoreError\n"
        "from onyx_pipelines.vault.stores.local import LocalStore\n"
        "store = LocalStore(Path(sys.argv[1]))\n"
        "store.put('small', b'x' * 1000)\n"
        "try:\n"
        "    with store.create('large') as writer:\n"
        "        for _ in range(64): writer.write(bytes(65536))\n"
        "except StoreError as error:\n"
        "    print(error.what)\n"
        "print([each.key for each in store.list('')])\n"
        "print(sum(1 for _ in Path(sys.argv[1]).rglob('*')))\n"
        "store.put('after', b'y' * 1000)\n"
    )
    result = _in_small_file_system(tmp_path, script)

    assert "No space left on device" in result[0]
    assert result[1:] == ["['small']", "1"]


def test_a_read_only_file_system_is_named(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        "from pathlib import Path\n"
        "from onyx_pipelines.core.errors import StoreError\n"
        "from onyx_pipelines.vault.stores.local import LocalStore\n"
        "store = LocalStore(Path(sys.argv[1]))\n"
        "store.put('a', b'x')\n"
        "subprocess.run(['mount', '-o', 'remount,ro', sys.argv[1]], check=True)\n"
        "for use in (lambda: store.put('b', b''), lambda: store.delete('a')):\n"
        "    try:\n"
        "        use()\n"
        "    except StoreError as error:\n"
        "        print(error.transient, error)\n"
        "print(store.get('a'))\n"
    )
    written, deleted, read = _in_small_file_system(tmp_path, script)

    assert written.startswith("False Cannot write b in the local store")
    assert "Read-only file system. Mount the file system for writing" in written
    assert deleted.startswith("False Cannot delete a in the local store")
    assert read == "b'x'"


def _in_small_file_system(folder: Path, script: str) -> list[str]:
    """Run it with a tmpfs of 1 MB at `folder` that only it sees, as a normal user may."""
    mount = f'mount -t tmpfs -o size=1m none "{folder}" && exec "$@"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    result = subprocess.run(
        [*command, sys.executable, "-c", script, str(folder)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.mark.parametrize("instead", ["nothing", "a file"])
def test_a_missing_root_is_an_error_and_no_empty_store(tmp_path: Path, instead: str) -> None:
    root = tmp_path / "not mounted"
    if instead == "a file":
        root.write_bytes(b"")
    store = LocalStore(root)

    for use in (
        lambda: list(store.list("sets/")),
        lambda: store.stat("a"),
        lambda: store.get("a"),
        lambda: store.put("a", b""),
        lambda: store.delete("a"),
        lambda: store.sweep("", older_than=datetime.now(UTC)),
    ):
        with pytest.raises(StoreError, match="is missing") as caught:
            use()
        assert f"install -d -m 0700 {root}" in caught.value.remedy
        assert not caught.value.transient
    assert not root.is_dir()


def test_a_directory_that_cannot_be_listed_fails_the_listing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("sets/a/1", b"")
    store.put("sets/b/1", b"")
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).rstrip("/").endswith("sets/b"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)

    with pytest.raises(StoreError, match="Permission denied"):
        list(store.list("sets/"))


def test_a_file_that_shrinks_while_it_is_read_is_an_error(store: LocalStore) -> None:
    store.put(KEY, bytes(1000))

    with store.open(KEY) as reader:
        reader.read(100)
        os.truncate(store.root / KEY, 500)
        reader.read(400)
        with pytest.raises(StoreError, match="ended 500 bytes early"):
            reader.read(100)


def test_links_and_foreign_names_are_no_objects(store: LocalStore, tmp_path: Path) -> None:
    store.put("sets/a", b"x")
    (tmp_path / "sets/link").symlink_to("a")
    (tmp_path / "sets/ünicode").write_bytes(b"")
    (tmp_path / "sets/.hidden").write_bytes(b"")

    assert [each.key for each in store.list("")] == ["sets/a"]
    assert store.stat("sets/link") is None
    with pytest.raises(StoreError):
        store.get("sets/link")


def test_directories_that_became_empty_go_with_their_last_object(store: LocalStore) -> None:
    store.put("sets/a/x/1", b"")
    store.put("sets/b/1", b"")

    store.delete("sets/a/x/1")

    assert [path.name for path in (store.root / "sets").iterdir()] == ["b"]


def test_writing_and_deleting_beside_each_other_lose_nothing(store: LocalStore) -> None:
    errors: list[BaseException] = []

    def churn(name: str) -> None:
        try:
            for _ in range(40):
                store.put(f"sets/a/{name}", name.encode())
                assert store.get(f"sets/a/{name}") == name.encode()
                store.delete(f"sets/a/{name}")
        except BaseException as error:  # noqa: BLE001  (handed to the test's thread)
            errors.append(error)

    threads = [threading.Thread(target=churn, args=(name,)) for name in ("x", "y", "z")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []


KILLED_WRITER = (
    "import sys\n"
    "from pathlib import Path\n"
    "from onyx_pipelines.vault.stores.local import LocalStore\n"
    "store = LocalStore(Path(sys.argv[1]))\n"
    "print('ready', flush=True)\n"
    "number = 0\n"
    "while True:\n"
    "    with store.create(f'sets/{number % 5}/object') as writer:\n"
    "        for _ in range(8):\n"
    "            writer.write(bytes([number % 256]) * 50_000)\n"
    "    number += 1\n"
)


def test_a_killed_writer_leaves_only_whole_objects_and_what_a_sweep_removes(
    store: LocalStore,
) -> None:
    moments = random.Random(7)
    swept: list[str] = []
    for _ in range(8):
        with child(KILLED_WRITER, store.root) as writer:
            writer.line()
            time.sleep(moments.uniform(0, 0.03))
        listed = list(store.list(""))
        assert {each.size_bytes for each in listed} <= {400_000}
        assert all(len(set(store.get(each.key))) == 1 for each in listed)
        assert store.sweep("sets/", older_than=datetime.now(UTC) - SOON) == []
        swept += store.sweep("sets/", older_than=datetime.now(UTC) + SOON)
        assert len(files(store)) == len(listed)

    assert swept
    assert all(name.rpartition("/")[2].startswith(TEMPORARY_PREFIX) for name in swept)


def test_a_dry_sweep_names_what_a_sweep_removes(store: LocalStore) -> None:
    store.put("sets/a/1", b"")
    left = store.root / "sets/a" / f"{TEMPORARY_PREFIX}0123"
    left.write_bytes(b"half")
    later = datetime.now(UTC) + SOON

    planned = store.sweep("sets/", older_than=later, dry_run=True)
    there_still = left.exists()
    done = store.sweep("sets/", older_than=later)

    assert planned == done == [f"sets/a/{TEMPORARY_PREFIX}0123"]
    assert there_still
    assert not left.exists()
