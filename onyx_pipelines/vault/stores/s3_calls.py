"""Every request to S3: bounded in time, and its answer checked for what the protocol promises.

Whatever else comes back, from a proxy's page to an endless stream, is one StoreError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.core.threads import begun
from onyx_pipelines.vault.stores.s3_errors import Place, not_s3, too_slow, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")

ATTEMPTS = 5
# A link that is slower than this is as good as none: an answer that dribbles must end.
_SLOWEST_BYTES_PER_S = 10_000
# Between attempts botocore waits up to 20 s.
_PAUSE_S = 20.0
# Pages in a row that bring nothing new. Amazon's may be empty where much was deleted.
_EMPTY_PAGES = 100


@dataclass(frozen=True)
class Bucket:
    """A client with the bucket, the prefix and the limits that all requests share."""

    client: S3Client
    place: Place
    name: str
    prefix: str
    stall_timeout_s: float

    def full_name(self, key: str) -> str:
        return self.prefix + key

    def call(
        self, action: str, request: Callable[..., Mapping[str, Any]], size: int = 0, **values: Any
    ) -> Answer:
        """Send one request and wait for its whole answer; `size` bytes go or come with it.

        Raises:
            StoreError: see `s3_errors`.
        """
        limit_s = ATTEMPTS * (self.stall_timeout_s + _PAUSE_S) + size / _SLOWEST_BYTES_PER_S
        with translated(self.place, action):
            answer = self.within(limit_s, action, lambda: request(Bucket=self.name, **values))
        return Answer(self.place, action, answer)

    def receive(self, action: str, read: Callable[[int], bytes], size: int) -> bytes:
        """The next bytes of a download.

        Raises:
            StoreError: the connection was cut, or gives next to nothing.
        """
        limit_s = self.stall_timeout_s + size / _SLOWEST_BYTES_PER_S
        with translated(self.place, action):
            return self.within(limit_s, action, lambda: read(size))

    def within(self, limit_s: float, action: str, work: Callable[[], T]) -> T:
        """What `work` returns or raises. A thread that is too slow is left behind: nothing else
        ends a read that gets a byte now and then."""
        doing = begun(work, f"s3 {action}")
        if wait([doing], limit_s).not_done:
            raise too_slow(self.place, action, limit_s)
        try:
            return doing.result()
        finally:
            del doing  # the error's traceback has this frame

    def pages(
        self,
        action: str,
        request: Callable[..., Mapping[str, Any]],
        markers: Mapping[str, str],
        prefix: str,
        lists: tuple[str, ...],
    ) -> Iterator[tuple[str, Answer]]:
        """Every item of a listing, with the name of the list that it stands in.

        `markers` maps what an answer says of the next page to what the request for it says.

        Raises:
            StoreError: a page is not one, or the pages do not come to an end.
        """
        place = f"{self.prefix}{prefix}"
        seen: set[tuple[object, ...]] = set()
        known: set[tuple[object, ...]] = set()
        token: dict[str, Any] = {}
        barren = 0
        while True:
            page = self.call(action, request, Prefix=place, **token)
            truncated = page.flag("IsTruncated")
            found = [(name, item) for name in lists for item in page.items(name)]
            fresh = {_identity(name, item) for name, item in found} - known
            known |= fresh
            for name, item in found:
                if not item.text("Key").startswith(place):
                    raise not_s3(self.place, action, "a key is outside of the prefix")
                yield name, item
            token = {markers[name]: page.values[name] for name in markers if page.values.get(name)}
            if not truncated:
                return
            barren = 0 if fresh else barren + 1
            if not token:
                raise not_s3(self.place, action, "it says that there is more, and not where")
            if (mark := tuple(sorted(token.items()))) in seen or barren > _EMPTY_PAGES:
                raise not_s3(self.place, action, "its pages do not come to an end")
            seen.add(mark)


def _identity(name: str, item: Answer) -> tuple[object, ...]:
    return name, item.text("Key"), item.values.get("VersionId"), item.values.get("UploadId")


@dataclass(frozen=True)
class Answer:
    """Fields of an answer, each checked when it is asked for."""

    place: Place
    action: str
    values: Mapping[str, Any]

    def text(self, name: str) -> str:
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            raise self.lacks(name)
        return value

    def flag(self, name: str) -> bool:
        value = self.values.get(name)
        if not isinstance(value, bool):
            raise self.lacks(name)
        return value

    def size(self, name: str) -> int:
        value = self.values.get(name)
        if not isinstance(value, int) or value < 0:
            raise self.lacks(name)
        return value

    def time(self, name: str) -> datetime:
        value = self.values.get(name)
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self.lacks(name)
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise self.lacks(name) from None

    def items(self, name: str) -> list[Answer]:
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.lacks(name)
        return [Answer(self.place, self.action, item) for item in value]

    @property
    def status(self) -> int:
        return int(self.values["ResponseMetadata"]["HTTPStatusCode"])

    def require_emptied(self) -> None:
        """A deletion is answered with 204; a proxy's page is not."""
        if self.status != 204:
            raise not_s3(self.place, self.action, f"HTTP {self.status} in place of 204")

    def lacks(self, name: str) -> StoreError:
        return not_s3(self.place, self.action, f"no sensible {name}")
