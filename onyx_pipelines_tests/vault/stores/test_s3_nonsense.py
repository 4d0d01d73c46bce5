"""Answers that the protocol does not allow: each is one clear error, in bounded time, and no list
is ever a part of one."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.core.errors import NotFoundError, StoreError
from onyx_pipelines.vault.stores.s3 import S3Store
from onyx_pipelines.vault.stores.store import StoredObject, StoredVersion
from onyx_pipelines_tests.vault.stores.nonsense_server import Answer, NonsenseServer, http
from onyx_pipelines_tests.waiting import wait_until

WHEN = "2026-11-26T10:00:00.000Z"
HTTP_WHEN = "Thu, 26 Nov 2026 10:00:00 GMT"
HTML = b"<html><body>Please log in to the hotel's network</body></html>"
OBJECT = {"ETag": '"abc"', "Last_Modified": HTTP_WHEN}
SEALED = "sets/00000000-0000-0000-0000-000000000000/postgresql/onyx.dump.zst.sealed"
LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    monkeypatch.setattr("onyx_pipelines.vault.stores.s3_calls._PAUSE_S", 0.0)
    monkeypatch.setattr("onyx_pipelines.vault.stores.multipart.FIRST_PART_BYTES", 1000)


def item(key: str = "ours/a", size: str = "5", when: str = WHEN) -> str:
    fields = f"<Key>{key}</Key><Size>{size}</Size><LastModified>{when}</LastModified>"
    return f"<Contents>{fields}</Contents>"


def listing(
    *items: str, truncated: str = "<IsTruncated>false</IsTruncated>", token: str = ""
) -> bytes:
    following = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    text = f"<ListBucketResult>{truncated}{following}{''.join(items)}</ListBucketResult>"
    return f"<?xml version='1.0'?>{text}".encode()


def store_of(server: NonsenseServer, stall_timeout_s: float = 5) -> S3Store:
    return S3Store(server.location, stall_timeout_s=stall_timeout_s, lock_days=1)


def fails(
    answer: Answer, use: Callable[[S3Store], object], stall_timeout_s: float = 5
) -> StoreError:
    error: StoreError | None = None
    with NonsenseServer(lambda method, path, number: answer) as server:
        try:
            use(store_of(server, stall_timeout_s))
        except StoreError as raised:
            # A traceback that holds this frame, which holds it, keeps connections open.
            error = raised.with_traceback(None)
    assert error is not None
    assert error.remedy
    assert len(str(error)) < 1000
    return error


def open_sockets() -> int:
    links = (path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
    return sum(str(link).startswith("socket:") for link in links)


def names(store: S3Store) -> list[str]:
    return [each.key for each in store.list("")]


MORE = "<IsTruncated>true</IsTruncated>"
WRONG_LISTINGS = {
    "more and no word of where": listing(item(), truncated=MORE),
    "no word of an end": listing(item(), truncated=""),
    "an end that is neither": listing(item(), truncated="<IsTruncated>perhaps</IsTruncated>"),
    "a key outside of the prefix": listing(item("theirs/a")),
    "a key without its prefix": listing(item("a")),
    "a negative size": listing(item(size="-5")),
    "a size that is none": listing(item(size="large")),
    "no size": listing("<Contents><Key>ours/a</Key></Contents>"),
    "a date that is none": listing(item(when="yesterday")),
    "a date of no calendar": listing(item(when="2026-13-45T99:00:00Z")),
    "no key": listing("<Contents><Size>1</Size></Contents>"),
    "nothing": b"",
    "a login page": HTML,
    "a page that is no XML": b"<html><br>hello",
    "an error": b"<Error><Code>InternalError</Code><Message>x</Message></Error>",
    "half of a listing": listing(item(), item("ours/b"))[:-60],
    "JSON": b'{"Contents": []}',
    "another answer": b"<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>",
    "a billion laughs": b'<!DOCTYPE a [<!ENTITY b "c">]><ListBucketResult>&b;</ListBucketResult>',
}


class TestListings:
    @pytest.mark.parametrize("body", WRONG_LISTINGS.values(), ids=WRONG_LISTINGS.keys())
    def test_a_page_that_is_none_is_an_error(self, body: bytes) -> None:
        fails(http(body=body), names)

    def test_the_same_token_again_is_an_error_and_no_endless_list(self) -> None:
        error = fails(http(body=listing(item(), truncated=MORE, token="again")), names)

        assert "do not come to an end" in error.what

    def test_ever_new_tokens_for_the_same_page_are_an_error(self) -> None:
        def answer(method: str, path: str, number: int) -> Answer:
            return http(body=listing(item(), truncated=MORE, token=f"t{number}"))

        with NonsenseServer(answer) as server, pytest.raises(StoreError, match="an end"):
            names(store_of(server))

    def test_a_second_page_that_fails_gives_no_first_page(self) -> None:
        def answer(method: str, path: str, number: int) -> Answer:
            if number == 1:
                return http(body=listing(item(), truncated=MORE, token="next"))
            return http(body=HTML)

        got: list[StoredObject] = []
        with NonsenseServer(answer) as server, pytest.raises(StoreError):
            got.extend(store_of(server).list(""))

        assert got == []

    def test_a_page_in_which_nothing_is_left_may_stand_before_the_last(self) -> None:
        def answer(method: str, path: str, number: int) -> Answer:
            if number == 1:
                return http(body=listing(truncated=MORE, token="next"))
            return http(body=listing(item()))

        with NonsenseServer(answer) as server:
            assert names(store_of(server)) == ["a"]

    @pytest.mark.parametrize("body", [HTML, b"", b"<ListVersionsResult/>"])
    def test_versions_and_unfinished_uploads_are_read_as_strictly(self, body: bytes) -> None:
        def answer(method: str, path: str, number: int) -> Answer:
            if path.endswith("?versioning"):
                status = b"<VersioningConfiguration><Status>Enabled</Status>"
                return http(body=status + b"</VersioningConfiguration>")
            return http(body=body)

        for use in (
            lambda store: store.versions.under(""),
            lambda store: store.sweep("", older_than=LATER),
        ):
            with NonsenseServer(answer) as server, pytest.raises(StoreError):
                use(store_of(server))


class TestRedirections:
    @pytest.mark.parametrize("status", [301, 302, 307])
    @pytest.mark.parametrize("location", [None, "http://127.0.0.1:1/", "/bucket"])
    def test_one_without_a_region_is_one_short_error(
        self, status: int, location: str | None
    ) -> None:
        for use in (names, lambda store: store.put("a", b"x"), lambda store: store.stat("a")):
            error = fails(http(status, Location=location), use)
            assert "ONYX_S3_REGION" in error.remedy

    def test_the_region_that_the_answer_names_is_the_remedy(self) -> None:
        error = fails(http(301, x_amz_bucket_region="eu-central-1"), names)

        assert "ONYX_S3_REGION=eu-central-1" in error.remedy

    def test_a_wrong_region_is_told_with_the_right_one(self) -> None:
        body = (
            b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>x</Message>"
            b"<Region>us-west-004</Region></Error>"
        )

        error = fails(http(400, body), names)

        assert "the region us-west-004" in error.what
        assert "ONYX_S3_REGION=us-west-004" in error.remedy

    def test_a_region_that_is_no_name_is_not_repeated(self) -> None:
        error = fails(http(301, x_amz_bucket_region="[red]evil\x1b"), names)

        assert "evil" not in str(error)


class TestWrites:
    @pytest.mark.parametrize(
        "answer",
        [http(body=HTML), http(204), http(200), http(body=b"<Error><Code>SlowDown</Code></Error>")],
        ids=["a login page", "204", "no ETag", "an error with status 200"],
    )
    def test_an_upload_counts_only_with_the_answer_of_one(self, answer: Answer) -> None:
        def several_parts(store: S3Store) -> None:
            with store.create("a") as writer:
                writer.write(bytes(3000))

        for use in (lambda store: store.put("a", b"x"), several_parts):
            fails(answer, use)

    def test_a_deletion_that_a_page_answers_is_none(self) -> None:
        fails(http(body=HTML), lambda store: store.delete("a"))

    def test_a_page_that_says_not_found_deletes_nothing(self) -> None:
        fails(http(404, HTML), lambda store: store.delete("a"))


class TestReads:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Last_Modified": HTTP_WHEN},
            {"ETag": '"abc"'},
            {**OBJECT, "Last_Modified": "soon"},
            {**OBJECT, "Content_Length": "-3"},
            {**OBJECT, "Content_Length": None},
            {**OBJECT, "Content_Length": "many"},
        ],
        ids=str,
    )
    def test_an_object_without_its_headers_is_an_error(self, headers: dict[str, Any]) -> None:
        fails(http(**headers), lambda store: store.stat("a"))

    def test_a_download_without_a_length_is_an_error(self) -> None:
        fails(http(body=b"x", **{**OBJECT, "Content_Length": None}), lambda store: store.get("a"))

    def test_a_download_that_is_shorter_than_it_says_is_an_error(self) -> None:
        headers = {**OBJECT, "Content_Length": "10"}

        fails(http(body=b"four", **headers), lambda store: store.get("a"))

    def test_one_with_a_date_that_is_none_leaves_no_connection_open(self) -> None:
        # What the collector finds, it closes in any order.
        gc.disable()
        try:
            before = open_sockets()
            answer = http(body=b"four", Last_Modified="nonsense")
            fails(answer, lambda store: store.get("a"))
            wait_until(lambda: open_sockets() <= before, "the connection is closed")
        finally:
            gc.enable()

    def test_a_login_page_is_no_object(self) -> None:
        fails(http(body=HTML), lambda store: store.get("a"))

    def test_a_page_that_says_not_found_is_no_absence(self) -> None:
        fails(http(404, HTML), lambda store: store.get("a"))
        fails(http(404, HTML), lambda store: store.stat("a"))


class TestTime:
    """An answer that never ends, ends here: `stall_timeout_s` looks at each byte alone."""

    @pytest.mark.parametrize(
        "endless",
        [
            Answer(b"HTTP/1.1 200 So\r\nContent-Length: 90000\r\n\r\n", dribble=b"<"),
            Answer(b"HTTP/1.1 200 So\r\n", dribble=b"X-A: b\r\n"),
            Answer(b"", dribble=b"HTTP/1.1 100 Continue\r\n\r\n"),
        ],
        ids=["a dribble", "headers", "1xx"],
    )
    def test_an_answer_that_dribbles_is_cut_off(self, endless: Answer) -> None:
        started = time.monotonic()

        fails(endless, names, stall_timeout_s=0.3)

        assert time.monotonic() - started < 30

    def test_a_download_that_dribbles_is_cut_off(self) -> None:
        head = f'HTTP/1.1 200 So\r\nETag: "a"\r\nLast-Modified: {HTTP_WHEN}\r\n'
        endless = Answer(f"{head}Content-Length: 90\r\n\r\n".encode(), dribble=b"x", pause_s=0.2)

        error = fails(endless, lambda store: store.get("a"), stall_timeout_s=0.5)

        assert error.transient


OPERATIONS: dict[str, Callable[[S3Store], object]] = {
    "list": lambda store: list(store.list("")),
    "get": lambda store: store.get("a"),
    "stat": lambda store: store.stat("a"),
    "put": lambda store: store.put("a", b"x"),
    "delete": lambda store: store.delete("a"),
    "sweep": lambda store: store.sweep("", older_than=LATER),
    "versions": lambda store: store.versions.under(""),
    "lock": lambda store: store.locks.of("a"),
    "locks": lambda store: store.locks.check(),
    "confirm": lambda store: store.locks.confirm(SEALED),
}

texts = st.sampled_from(
    ["", "true", "false", "5", "-1", "99999999999999999999", "ours/a", "theirs", WHEN, "never",
     "\u2028", "Enabled", "COMPLIANCE", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z",
     "1e9", "&amp;", "%00"]
)  # fmt: skip
tags = st.sampled_from(
    ["IsTruncated", "NextContinuationToken", "Contents", "Key", "Size", "LastModified", "Versions",
     "Version", "DeleteMarker", "VersionId", "IsLatest", "NextKeyMarker", "NextVersionIdMarker",
     "Upload", "UploadId", "Initiated", "Status", "ObjectLockEnabled", "Code", "Message", "Region"]
)  # fmt: skip
roots = st.sampled_from(
    ["ListBucketResult", "ListVersionsResult", "ListMultipartUploadsResult", "Error",
     "VersioningConfiguration", "ObjectLockConfiguration", "html"]
)  # fmt: skip
elements = st.recursive(
    st.builds(lambda tag, text: f"<{tag}>{text}</{tag}>", tags, texts),
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag}>", tags, st.lists(inner, max_size=4)
    ),
    max_leaves=12,
)
documents = st.builds(
    lambda root, parts: f"<{root}>{''.join(parts)}</{root}>".encode(),
    roots,
    st.lists(elements, max_size=5),
)
bodies = st.one_of(
    documents,
    st.builds(lambda body, cut: body[:cut], documents, st.integers(0, 200)),
    st.sampled_from(list(WRONG_LISTINGS.values())),
    st.binary(max_size=60),
)
headers = st.dictionaries(
    st.sampled_from(
        ["ETag", "Last_Modified", "Content_Length", "Content_Type", "Content_Encoding", "Location",
         "Transfer_Encoding", "x_amz_bucket_region", "x_amz_object_lock_mode",
         "x_amz_object_lock_retain_until_date", "x_amz_version_id"]
    ),
    st.sampled_from(
        ['"abc"', HTTP_WHEN, WHEN, "0", "5", "-1", "chunked", "gzip", "COMPLIANCE", "eu-west-1",
         "/", "\x7f"]
    ),
    max_size=5,
)  # fmt: skip
statuses = st.sampled_from(
    [
        200,
        200,
        200,
        204,
        206,
        301,
        302,
        304,
        307,
        400,
        403,
        404,
        405,
        409,
        412,
        416,
        429,
        500,
        501,
        503,
        999,
    ]
)
answers = st.one_of(
    st.builds(lambda status, body, more: http(status, body, **more), statuses, bodies, headers),
    st.builds(Answer, st.binary(max_size=80)),
)


def is_sensible(value: object) -> bool:
    if isinstance(value, list):
        return all(is_sensible(each) for each in value)
    if isinstance(value, StoredObject | StoredVersion):
        return value.size_bytes >= 0 and value.modified_at.tzinfo is UTC
    return True


@pytest.mark.slow
@given(
    operation=st.sampled_from(sorted(OPERATIONS)), script=st.lists(answers, min_size=1, max_size=3)
)
@settings(
    max_examples=125, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_answered_the_result_is_sensible_or_one_error(
    nonsense: tuple[NonsenseServer, S3Store, list[Answer]], operation: str, script: list[Answer]
) -> None:
    _, store, current = nonsense
    current[:] = script
    with suppress(StoreError, NotFoundError):
        assert is_sensible(OPERATIONS[operation](store))


@pytest.fixture
def nonsense() -> Any:
    current: list[Answer] = [http()]
    with NonsenseServer(lambda method, path, number: current[number % len(current)]) as server:
        yield server, store_of(server, stall_timeout_s=1), current
