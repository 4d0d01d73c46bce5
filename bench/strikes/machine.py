"""A machine of the sandbox's own, whose processors, memory and disk are as full as is wanted: the
real node_exporter reads figures that are made up, and a small disk that is real. What else this
machine does is not seen."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench.strikes.strike import Strike
from onyx_pipelines.sandbox.monitoring.programs import NODE_EXPORTER
from onyx_pipelines.sandbox.ports import HOST
from onyx_pipelines_tests.monitoring.watched_sandbox import WatchedSandbox
from onyx_pipelines_tests.mounting import Kind, mounted

_PROC: Final = Path("/proc")
_OWN: Final = ("stat", "meminfo", "vmstat", "1")
_PROCESSORS: Final = 2
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_MEMORY_KB: Final = 16 << 20
_EVERY_S: Final = 0.5
_USUAL_PROCESSOR, _USUAL_MEMORY, _USUAL_DISK = 0.2, 0.5, 0.4


class Machine:
    """In `folder`, which exists once it is watched.

    Args:
        processor, memory: share in use.
        killed: processes that the kernel ended for memory since it started.
    """

    def __init__(self, folder: Path) -> None:
        self.disk = folder / "disk"
        self.processor, self.memory, self.killed = _USUAL_PROCESSOR, _USUAL_MEMORY, 0
        self._folder = folder
        self._proc = folder / "proc"
        self._busy_ticks = self._idle_ticks = 0.0

    @contextmanager
    def watched_by(self, watched: WatchedSandbox) -> Iterator[None]:
        """As long as the block lasts, its exporter reads this machine."""
        self._make()
        ended = threading.Event()
        ticking = threading.Thread(target=self._tick, args=(ended,), name="made up machine")
        with mounted(Kind.DISK, self.disk, self._folder / "image"):
            self.fill(_USUAL_DISK)
            self._write(0)
            ticking.start()
            exporter = watched.sandbox.monitoring.exporters["node"]
            exporter.stop()
            exporter.serve(
                [
                    *(NODE_EXPORTER.found, f"--web.listen-address={HOST}:{exporter.port}"),
                    *(f"--path.procfs={self._proc}", "--no-collector.timex"),
                ],
                {},
                ready_path="/metrics",
                timeout_s=60,
            )
            try:
                yield
            finally:
                exporter.stop()
                ended.set()
                ticking.join()

    def fill(self, share: float) -> None:
        """So much of the disk is used, of what others than root may use."""
        found = os.statvfs(self.disk)
        total, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
        name = self.disk / "filler"
        has = name.stat().st_size if name.exists() else 0
        wanted = max(1, has + free - int((1 - share) * total))
        with name.open("ab") as file:
            os.truncate(file.fileno(), min(has, wanted))
            os.posix_fallocate(file.fileno(), 0, wanted)

    def _make(self) -> None:
        self.disk.mkdir(parents=True)
        (self._proc / "1").mkdir(parents=True)
        mounts = f"/dev/onyx {self.disk} ext4 rw 0 0\n"
        (self._proc / "1" / "mounts").write_text(mounts, encoding="ascii")
        for each in _PROC.iterdir():
            if each.name not in _OWN and not each.name.isdigit():
                (self._proc / each.name).symlink_to(each)

    def _tick(self, ended: threading.Event) -> None:
        last = time.monotonic()
        while not ended.wait(_EVERY_S):
            now = time.monotonic()
            self._write(now - last)
            last = now

    def _write(self, passed_s: float) -> None:
        ticks = passed_s * _TICKS_PER_S
        self._busy_ticks += self.processor * ticks
        self._idle_ticks += (1 - self.processor) * ticks
        busy, idle = round(self._busy_ticks), round(self._idle_ticks)
        lines = [f"cpu  {_PROCESSORS * busy} 0 0 {_PROCESSORS * idle} 0 0 0 0 0 0"]
        lines += [f"cpu{number} {busy} 0 0 {idle} 0 0 0 0 0 0" for number in range(_PROCESSORS)]
        self._put("stat", [*lines, *_others("stat", "cpu")])
        free = round(_MEMORY_KB * (1 - self.memory))
        memory = {"MemTotal": _MEMORY_KB, "MemFree": free, "MemAvailable": free}
        lines = [f"{name}: {kb} kB" for name, kb in memory.items()]
        self._put("meminfo", [*lines, *_others("meminfo", "Mem")])
        self._put("vmstat", [f"oom_kill {self.killed}", *_others("vmstat", "oom_kill")])

    def _put(self, name: str, lines: list[str]) -> None:
        """Whoever reads it reads all of it."""
        written = self._folder / f"{name}.new"
        written.write_text("\n".join(lines) + "\n", encoding="ascii")
        written.replace(self._proc / name)


def _others(name: str, but: str) -> list[str]:
    lines = (_PROC / name).read_text(encoding="ascii").splitlines()
    return [line for line in lines if not line.startswith(but)]


def busy(machine: Machine, share: float) -> Strike:
    """Its processors, for as long as any rule looks back."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        machine.processor = share
        after.callback(setattr, machine, "processor", _USUAL_PROCESSOR)
        watched.sandbox.monitoring.prometheus.forget('{__name__="node_cpu_seconds_total"}')

    return strike


def short_of_memory(machine: Machine, share: float) -> Strike:
    """So much of it is used."""

    def strike(_: WatchedSandbox, after: ExitStack) -> None:
        machine.memory = share
        after.callback(setattr, machine, "memory", _USUAL_MEMORY)

    return strike


def killing(machine: Machine, times: int) -> Strike:
    """The kernel counts so many more that it ended; a counter is not taken back."""

    def strike(_watched: WatchedSandbox, _after: ExitStack) -> None:
        machine.killed += times

    return strike


def fill_disk(machine: Machine, share: float, *, growth_per_s: float = 0) -> Strike:
    """So much of it is used, and more each second."""

    def strike(_: WatchedSandbox, after: ExitStack) -> None:
        machine.fill(share)
        after.callback(machine.fill, _USUAL_DISK)
        if growth_per_s:
            after.enter_context(_growing(machine, share, growth_per_s))

    return strike


@contextmanager
def _growing(machine: Machine, share: float, per_s: float) -> Iterator[None]:
    ended = threading.Event()

    def grow() -> None:
        filled = share
        while not ended.wait(1):
            filled = min(1.0, filled + per_s)
            machine.fill(filled)

    thread = threading.Thread(target=grow, name="growing")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
