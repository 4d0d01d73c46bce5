"""A backup that does not hold what its source had: the facts say so, the data lacks it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from onyx_pipelines.core.progress import ProgressCallback
from onyx_pipelines.sources.source import (
    ByteSink,
    Component,
    ComponentReport,
    ComponentSink,
    Source,
)

Edit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class DoctoredSource:
    """A real source, one of whose facts objects is edited on its way into the set."""

    source: Source
    facts_path: str
    edit: Edit

    @property
    def component(self) -> Component:
        return self.source.component

    def describe(self) -> str:
        return self.source.describe()

    def back_up(self, sink: ComponentSink, progress: ProgressCallback) -> ComponentReport:
        return self.source.back_up(_EditingSink(sink, self.facts_path, self.edit), progress)


@dataclass(frozen=True)
class _EditingSink:
    sink: ComponentSink
    facts_path: str
    edit: Edit

    @contextmanager
    def object(
        self, path: str, *, name: str, media_type: str, compression_level: int = 1
    ) -> Iterator[ByteSink]:
        with self.sink.object(
            path, name=name, media_type=media_type, compression_level=compression_level
        ) as output:
            if path != self.facts_path:
                yield output
                return
            whole = _Collector()
            yield whole
            facts = json.loads(bytes(whole.data))
            self.edit(facts)
            output.write(json.dumps(facts).encode())


class _Collector:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        self.data += data
        return len(data)

    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()
