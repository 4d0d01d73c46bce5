"""An S3 that fails in every way that networks and providers have, and what is left afterwards."""

from __future__ import annotations

import logging
import resource
import socket
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import NotFoundError, SettingsError, StoreError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.sandbox.s3_server import S3Server
from onyx_pipelines.vault.stores import open_stores
from onyx_pipelines.vault.stores.multipart import IN_MEMORY_BYTES, MAX_PARTS, part_bytes
from onyx_pipelines.vault.stores.s3 import S3Location, S3Store
from onyx_pipelines_tests.vault.stores.faulty_proxy import Fault, FaultyProxy, Match, Request
from onyx_pipelines_tests.waiting import wait_until

MIB = 1024 * 1024
PART = 5 * MIB  # the least that S3 takes
THREE_PARTS = 2 * PART + PART // 2
TIB = 1024**4


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once instead of after up to 20 s, and parts are small."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    monkeypatch.setattr("onyx_pipelines.vault.stores.multipart.FIRST_PART_BYTES", PART)


def through(proxy: FaultyProxy, location: S3Location, stall_timeout_s: float = 20) -> S3Store:
    changed = replace(location, endpoint_url=proxy.endpoint_url)
    return S3Store(changed, stall_timeout_s=stall_timeout_s)


def write(store: S3Store, size: int) -> None:
    with store.create("sets/a") as writer:
        for begin in range(0, size, PART):
            writer.write(bytes(min(PART, size - begin)))


def is_part(number: int) -> Match:
    return lambda request: f"partNumber={number}" in request.path


def is_any(request: Request) -> bool:
    return True


def is_completion(request: Request) -> bool:
    return request.method == "POST" and "uploadId=" in request.path


def everything_unfinished(store: S3Store) -> list[str]:
    return store.sweep("", older_than=datetime.now(UTC) + timedelta(hours=1), dry_run=True)


FATAL_UPLOADS = {
    "the beginning is refused": Fault(lambda r: r.path.endswith("?uploads"), status=503),
    "a part is answered with 500": Fault(is_part(2), status=500),
    "a part is throttled for good": Fault(is_part(1), status=503, code="SlowDown"),
    "a part's connection is cut": Fault(is_part(2), cut_request_at=PART // 2),
    "the last part is cut at once": Fault(is_part(3), cut_request_at=0),
    "the completion is refused": Fault(is_completion, status=500),
}


@pytest.mark.parametrize("fault", FATAL_UPLOADS.values(), ids=FATAL_UPLOADS.keys())
def test_an_upload_that_fails_for_good_leaves_nothing(
    s3_server: S3Server, s3_location: S3Location, s3_store: S3Store, fault: Fault
) -> None:
    with FaultyProxy(s3_server.endpoint_url, replace(fault)) as proxy:
        store = through(proxy, s3_location)
        with pytest.raises(StoreError) as caught:
            write(store, THREE_PARTS)

    assert caught.value.transient
    assert list(s3_store.list("")) == []
    assert everything_unfinished(s3_store) == []


@pytest.mark.parametrize("number", range(1, 6))
def test_failures_at_any_request_are_retried(
    s3_server: S3Server, s3_location: S3Location, s3_store: S3Store, number: int
) -> None:
    def at_number(request: Request) -> bool:
        return number <= request.number < number + 4

    faults = [
        Fault(at_number, status=500, times=1),
        Fault(at_number, status=429, code="TooManyRequests", times=1),
        Fault(at_number, status=503, code="SlowDown", times=1),
        Fault(at_number, cut_request_at=0, times=1),
    ]
    with FaultyProxy(s3_server.endpoint_url, *faults) as proxy:
        write(through(proxy, s3_location), THREE_PARTS)

    assert [fault.hits for fault in faults] == [1, 1, 1, 1]
    assert [each.size_bytes for each in s3_store.list("")] == [THREE_PARTS]


def test_a_completion_whose_answer_is_lost_is_asked_for_again(
    s3_server: S3Server, s3_location: S3Location, s3_store: S3Store
) -> None:
    lost = Fault(is_completion, cut_answer_at=10, times=1)
    with FaultyProxy(s3_server.endpoint_url, lost) as proxy:
        write(through(proxy, s3_location), THREE_PARTS)

    assert lost.hits == 1
    assert [each.size_bytes for each in s3_store.list("")] == [THREE_PARTS]


def test_a_server_that_forgets_a_completed_upload_gives_an_error_and_a_whole_object(
    s3_server: S3Server, s3_location: S3Location, s3_store: S3Store
) -> None:
    lost = Fault(is_completion, cut_answer_at=10, times=1)
    forgotten = Fault(is_completion, status=404, code="NoSuchUpload")
    with FaultyProxy(s3_server.endpoint_url, lost, forgotten) as proxy:
        store = through(proxy, s3_location)
        with pytest.raises(StoreError) as caught:
            write(store, THREE_PARTS)

    assert caught.value.transient
    assert not hasattr(caught.value, "__notes__")
    assert [each.size_bytes for each in s3_store.list("")] == [THREE_PARTS]
    assert everything_unfinished(s3_store) == []


def test_an_upload_that_cannot_even_be_aborted_is_swept_later(
    s3_server: S3Server, s3_location: S3Location, s3_store: S3Store
) -> None:
    fault = Fault(lambda request: request.number > 2, status=500)
    with FaultyProxy(s3_server.endpoint_url, fault) as proxy:
        store = through(proxy, s3_location)
        with pytest.raises(StoreError) as caught:
            write(store, THREE_PARTS)

    assert "The next sweep removes" in caught.value.__notes__[0]
    assert list(s3_store.list("")) == []
    assert s3_store.sweep("sets/", older_than=datetime.now(UTC) - timedelta(hours=1)) == []
    later = datetime.now(UTC) + timedelta(hours=1)
    assert s3_store.sweep("sets/", older_than=later, dry_run=True) == ["sets/a (unfinished upload)"]
    assert s3_store.sweep("sets/", older_than=later) == ["sets/a (unfinished upload)"]
    assert everything_unfinished(s3_store) == []


def begin_and_fail(store: S3Store, hangs: Fault, error: BaseException) -> None:
    """Raise it while the first part is on its way to a server that does not answer."""
    with store.create("sets/a") as writer:
        writer.write(bytes(PART))
        writer.write(b"of the next part")
        wait_until(lambda: hangs.hits, "the first part is on its way")
        raise error


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whoever_ends_a_run_waits_for_no_server_that_hangs(
    s3_server: S3Server,
    s3_location: S3Location,
    s3_store: S3Store,
    monkeypatch: pytest.MonkeyPatch,
    ending: type[BaseException],
) -> None:
    monkeypatch.setattr("onyx_pipelines.core.threads._PATIENCE_WHEN_ENDED_S", 0.1)
    hangs = Fault(is_part(1), stall=True)
    with FaultyProxy(s3_server.endpoint_url, hangs) as proxy:
        with pytest.raises(ending) as caught:
            begin_and_fail(through(proxy, s3_location), hangs, ending())

        assert not proxy.release.is_set()
        assert hangs.hits == 1
    (note,) = caught.value.__notes__
    assert "did not take a part of" in note
    assert "The next sweep removes" in note
    later = datetime.now(UTC) + timedelta(hours=1)
    assert s3_store.sweep("sets/", older_than=later) == ["sets/a (unfinished upload)"]


def test_after_a_failure_a_part_on_its_way_is_waited_for_and_nothing_is_left(
    s3_server: S3Server, s3_location: S3Location, s3_store: S3Store
) -> None:
    """It would come after the abort, and stay."""
    hangs = Fault(is_part(1), stall=True, times=1)
    with FaultyProxy(s3_server.endpoint_url, hangs) as proxy:
        released = threading.Timer(0.3, proxy.release.set)
        released.start()
        with pytest.raises(ValueError, match="the producer failed") as caught:
            begin_and_fail(through(proxy, s3_location), hangs, ValueError("the producer failed"))

        assert proxy.release.is_set()
    assert not hasattr(caught.value, "__notes__")
    assert everything_unfinished(s3_store) == []


def test_a_server_that_never_answers_fails_after_the_stall_timeout(
    s3_server: S3Server, s3_location: S3Location
) -> None:
    with FaultyProxy(s3_server.endpoint_url, Fault(is_any, stall=True)) as proxy:
        store = through(proxy, s3_location, stall_timeout_s=0.3)
        with pytest.raises(StoreError, match="ReadTimeoutError") as caught:
            store.put("a", b"x")

    assert caught.value.transient


@pytest.mark.parametrize("cut_at", [1, 70_000, 3 * MIB - 1])
def test_a_download_that_is_cut_is_an_error_and_no_short_read(
    s3_server: S3Server, s3_location: S3Location, s3_store: S3Store, cut_at: int
) -> None:
    s3_store.put("a", bytes(3 * MIB))
    fault = Fault(lambda request: request.method == "GET", cut_answer_at=cut_at)
    with FaultyProxy(s3_server.endpoint_url, fault) as proxy:
        store = through(proxy, s3_location)
        with pytest.raises(StoreError) as caught:
            store.get("a")

    assert caught.value.transient


def test_a_download_that_stalls_is_an_error(
    s3_server: S3Server, s3_location: S3Location, s3_store: S3Store
) -> None:
    s3_store.put("a", bytes(MIB))
    fault = Fault(is_any, stall=True, cut_answer_at=70_000)
    with FaultyProxy(s3_server.endpoint_url, fault) as proxy:
        store = through(proxy, s3_location, stall_timeout_s=0.3)
        with pytest.raises(StoreError) as caught:
            store.get("a")

    assert caught.value.transient


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_listing_that_fails_on_any_page_raises(
    s3_server: S3Server, s3_location: S3Location, s3_store: S3Store, number: int
) -> None:
    for each in range(3):
        s3_store.put(f"n/{each}", b"")
    fault = Fault(lambda request: request.number >= number, status=500)
    with FaultyProxy(s3_server.endpoint_url, fault) as proxy:
        store = through(proxy, s3_location)
        for _ in range(number - 1):
            assert len(list(store.list("n/"))) == 3
        with pytest.raises(StoreError):
            list(store.list("n/"))


WRONG = {
    "secret": (
        {"secret_access_key": "wrong"},
        "SignatureDoesNotMatch",
        "ONYX_S3_SECRET_ACCESS_KEY",
    ),
    "key": ({"access_key_id": "nobody"}, "InvalidAccessKeyId", "ONYX_S3_ACCESS_KEY_ID"),
    "bucket": ({"bucket": "no-such-bucket"}, "no such bucket", "ONYX_OFFSITE_URL"),
}


@pytest.mark.parametrize(("changes", "message", "remedy"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_setting_is_named_by_every_method(
    s3_location: S3Location, changes: dict[str, str], message: str, remedy: str
) -> None:
    store = S3Store(replace(s3_location, **changes), stall_timeout_s=20)  # type: ignore[arg-type]  # keywords that a test names

    for use in (
        lambda: store.put("a", b"x"),
        lambda: write(store, 0),
        lambda: write(store, THREE_PARTS),
        lambda: store.get("a"),
        lambda: list(store.list("")),
        lambda: store.delete("a"),
        lambda: store.sweep("", older_than=datetime.now(UTC)),
    ):
        with pytest.raises(StoreError, match=message) as caught:
            use()
        assert remedy in caught.value.remedy
        assert not caught.value.transient


@pytest.mark.parametrize("changes", [{"secret_access_key": "wrong"}, {"bucket": "no-such-bucket"}])
def test_looking_for_an_object_does_not_take_a_refusal_for_absence(
    s3_location: S3Location, changes: dict[str, str]
) -> None:
    store = S3Store(replace(s3_location, **changes), stall_timeout_s=20)  # type: ignore[arg-type]  # keywords that a test names

    with pytest.raises(StoreError) as caught:
        store.stat("a")

    assert not caught.value.transient


def test_an_endpoint_where_nobody_listens_is_a_transient_error(s3_location: S3Location) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    store = S3Store(replace(s3_location, endpoint_url=f"http://127.0.0.1:{port}"))

    with pytest.raises(StoreError, match=f"127.0.0.1:{port}") as caught:
        list(store.list(""))

    assert caught.value.transient
    assert "ONYX_S3_ENDPOINT_URL" in caught.value.remedy


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (500, "InternalError", True),
        (502, "BadGateway", True),
        (503, "SlowDown", True),
        (429, "TooManyRequests", True),
        (400, "RequestTimeout", True),
        (403, "AccessDenied", False),
        (403, "RequestTimeTooSkewed", False),
        (507, "InsufficientStorage", False),
        (400, "ExpiredToken", False),
        (400, "SomethingNew", False),
    ],
)
def test_only_what_may_pass_by_itself_is_transient(
    s3_server: S3Server, s3_location: S3Location, status: int, code: str, transient: bool
) -> None:
    fault = Fault(is_any, status=status, code=code)
    with (
        FaultyProxy(s3_server.endpoint_url, fault) as proxy,
        pytest.raises(StoreError, match=code) as caught,
    ):
        through(proxy, s3_location).put("a", b"x")

    assert caught.value.transient is transient
    assert caught.value.remedy


def test_no_credential_is_in_errors_or_logs(
    s3_location: S3Location, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = replace(s3_location, secret_access_key="a-secret-that-is-wrong")
    caplog.set_level(logging.DEBUG)

    S3Store(s3_location).put("a", b"x")
    with pytest.raises(StoreError) as caught:
        S3Store(wrong).put("a", b"x")

    seen = caplog.text + str(caught.value) + repr(wrong) + repr(caught.value.__context__)
    assert "a-secret-that-is-wrong" not in seen
    assert s3_location.secret_access_key not in seen
    assert "Signature=" not in seen


def test_memory_does_not_grow_with_the_object(
    s3_store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # parts of their real size
    write(s3_store, 40 * MIB)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    write(s3_store, 120 * MIB)

    unit = 1024 if sys.platform == "linux" else 1
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 20 * MIB


def test_parts_beyond_what_memory_may_hold_wait_on_disk(
    s3_store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onyx_pipelines.vault.stores.multipart.PARTS_PER_SIZE", 1)
    monkeypatch.setattr("onyx_pipelines.vault.stores.multipart.IN_MEMORY_BYTES", PART)
    pieces = [bytes([number]) * MIB for number in range(20)]

    with s3_store.create("a") as writer:
        for piece in pieces:
            writer.write(piece)

    assert s3_store.get("a") == b"".join(pieces)


def test_a_spool_directory_that_is_gone_is_named(
    s3_location: S3Location, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("onyx_pipelines.vault.stores.multipart.IN_MEMORY_BYTES", 0)
    store = S3Store(s3_location, spool_dir=tmp_path / "gone")

    with pytest.raises(StoreError, match="No such file") as caught:
        write(store, MIB)

    assert "ONYX_STATE_DIR" in caught.value.remedy


def test_ten_thousand_parts_hold_the_largest_object_of_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    sizes = [part_bytes(number) for number in range(1, MAX_PARTS + 1)]

    assert sum(sizes) >= 5 * TIB
    assert min(sizes) >= 5 * MIB
    assert max(sizes) <= 5 * 1024 * MIB


def test_parts_stay_in_memory_for_the_first_18_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    in_memory = [part_bytes(n) for n in range(1, MAX_PARTS) if part_bytes(n) <= IN_MEMORY_BYTES]

    assert sum(in_memory) > 18 * 1024 * MIB
    assert in_memory == sorted(in_memory)


@pytest.mark.parametrize(
    "changes",
    [
        {"offsite_url": "http://example.org/bucket"},
        {"offsite_url": "s3://"},
        {"offsite_url": "s3:///prefix"},
        {"offsite_url": "s3://key:secret-word@bucket/x"},
        {"offsite_url": "s3://bucket/a/../b"},
        {"offsite_url": "file://host/path"},
        {"offsite_url": "file:relative"},
        {"offsite_url": "file:///first/inside"},
        {"offsite_url": "file:///first"},
        {"offsite_url": "s3://bucket", "s3_access_key_id": "id"},
        {"offsite_url": "s3://bucket", "s3_secret_access_key": "secret-word"},
        {"offsite_url": "s3://bucket", "s3_endpoint_url": "not a url"},
        {"offsite_url": "s3://bucket", "s3_endpoint_url": "http://me:secret-word@host"},
    ],
    ids=lambda changes: " ".join(changes.values()),
)
def test_an_offsite_setting_that_cannot_be_meant_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"S3|ONYX_") as caught:
        open_stores(load_settings({"backup_dir": "/first", **changes}))

    assert "secret-word" not in str(caught.value)


def test_without_an_offsite_url_there_is_no_second_store() -> None:
    assert [each.name for each in open_stores(load_settings({"offsite_url": ""}))] == ["local"]


def test_an_object_of_another_prefix_is_not_ours(s3_location: S3Location) -> None:
    ours = S3Store(s3_location)
    other = S3Store(replace(s3_location, prefix=f"{s3_location.prefix}-other"))
    other.put("a", b"x")

    with pytest.raises(NotFoundError):
        ours.get("a")
    assert list(ours.list("")) == []
