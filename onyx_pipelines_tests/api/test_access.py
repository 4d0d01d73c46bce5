"""Who may do what: addresses, tokens, scopes, and an end to guessing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.api.access import FailureLimit
from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.problems import MEDIA_TYPE
from onyx_pipelines.api.tokens import Scope, TokenFile, find_token
from onyx_pipelines.core.addresses import client_address, parse_networks
from onyx_pipelines.core.errors import NotFoundError, SettingsError
from onyx_pipelines_tests.api.conftest import Api
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

PROXIES = parse_networks(["127.0.0.1", "10.0.0.0/8"], "X")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        # Whoever is no proxy of ours is not believed.
        ("203.0.113.9", ["127.0.0.1"], "203.0.113.9"),
        ("127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        # What the client itself put in front is not believed either.
        ("127.0.0.1", ["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["127.0.0.1", "203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["198.51.100.1, 10.1.1.1"], "198.51.100.1"),
        ("127.0.0.1", ["198.51.100.1, 203.0.113.9, 10.1.1.1"], "203.0.113.9"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["nonsense"], None),
        ("127.0.0.1", ["203.0.113.9:4711"], None),
        ("::ffff:203.0.113.9", [], "203.0.113.9"),
        ("2001:db8::1", [], "2001:db8::1"),
        ("testclient", [], None),
    ],
)
def test_the_client_is_whom_the_last_trusted_proxy_saw(
    peer: str, forwarded: list[str], client: str | None
) -> None:
    found = client_address(peer, forwarded, PROXIES)

    assert (None if found is None else str(found)) == client


@given(st.lists(st.text(max_size=30), max_size=4))
def test_without_a_trusted_proxy_no_header_changes_who_asks(forwarded: list[str]) -> None:
    assert str(client_address("203.0.113.9", forwarded, PROXIES)) == "203.0.113.9"


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        (None, "GET", "/api/health", 200),
        (None, "GET", "/api/backup/sets", 401),
        (Scope.READ, "GET", "/api/backup/sets", 200),
        (Scope.READ, "POST", "/api/backup/trigger", 403),
        (Scope.READ, "POST", "/api/load-test/start", 403),
        (Scope.OPERATE, "GET", "/api/backup/sets", 200),
        (Scope.OPERATE, "POST", "/api/backup/restore/00000000-0000-4000-8000-000000000000", 403),
        (Scope.RESTORE, "POST", "/api/backup/restore/00000000-0000-4000-8000-000000000000", 404),
    ],
)
def test_a_scope_includes_those_below_it_and_no_more(
    api: Api, scope: Scope | None, method: str, path: str, status: int
) -> None:
    body = {"confirm": True} if "restore" in path else {}

    answer = api.client(scope).request(method, path, json=body if method == "POST" else None)

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("address", "status"),
    [("127.0.0.1", 200), ("127.8.9.1", 200), ("::1", 200), ("203.0.113.9", 403), ("10.0.0.1", 403)],
)
def test_only_listed_addresses_may_ask_at_all(api: Api, address: str, status: int) -> None:
    assert api.client(Scope.READ, address).get("/api/backup/sets").status_code == status
    # Not even what needs no token.
    assert api.client(None, address).get("/api/health").status_code == status


@pytest.mark.parametrize("address", ["203.0.113.9", "127.0.0.1"])
@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
@pytest.mark.parametrize("path", ["/api/backup/sets", "/api/health", "/metrics", "/docs"])
def test_who_speaks_for_others_without_being_our_proxy_is_told_of_the_setting(
    api: Api, address: str, name: str, path: str
) -> None:
    answer = api.client(Scope.READ, address).get(path, headers={name: "127.0.0.1"})

    assert answer.status_code == 403
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert f"{address} sent {name.lower()}" in answer.json()["detail"]
    assert "ONYX_API_TRUSTED_PROXIES" in answer.json()["remedy"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/backup/trigger"),
        ("POST", "/api/backup/restore/no-uuid"),
        ("POST", "/api/backup/verify/no-uuid"),
        ("POST", "/api/load-test/start"),
        ("POST", "/api/load-test/baseline"),
        ("PUT", "/api/backup/sets/no-uuid/hold"),
        ("GET", "/api/backup/status/no-uuid"),
        ("GET", "/api/runs/!"),
        ("GET", "/api/backup/sets?limit=x"),
    ],
)
def test_nothing_of_a_request_is_judged_before_who_asks(api: Api, method: str, path: str) -> None:
    headers = {"Content-Type": "application/json"}

    answer = api.client(None).request(method, path, content=b'{"confirm": ', headers=headers)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_behind_a_trusted_proxy_the_client_counts(api: Api, volume_host: HostUnderTest) -> None:
    volume_host.set(API_TRUSTED_PROXIES="127.0.0.1", API_ALLOWED_ADDRESSES="203.0.113.0/24")
    behind = Api(create_app(volume_host.settings), api.tokens).client(Scope.READ)

    inside = behind.get("/api/backup/sets", headers={"X-Forwarded-For": "203.0.113.9"})
    outside = behind.get("/api/backup/sets", headers={"X-Forwarded-For": "198.51.100.1"})

    assert (inside.status_code, outside.status_code) == (200, 403)


def test_ten_refused_tokens_make_an_address_wait_that_has_no_right_one(api: Api) -> None:
    wrong = api.client(None)
    statuses = [
        wrong.get("/api/backup/sets", headers={"Authorization": "Bearer x"}).status_code
        for _ in range(12)
    ]

    assert statuses == [401] * 10 + [429] * 2
    refused = wrong.get("/api/backup/sets", headers={"Authorization": "Bearer x"})
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    # Others are not locked out with it, at another address or at the same.
    assert api.client(Scope.READ).get("/api/backup/sets").status_code == 200
    assert api.client(Scope.READ, "127.0.0.2").get("/api/backup/sets").status_code == 200


def test_who_sends_no_token_has_not_guessed(api: Api) -> None:
    statuses = [api.client(None).get("/api/backup/sets").status_code for _ in range(12)]

    assert statuses == [401] * 12


def test_the_wait_ends() -> None:
    now = [0.0]
    limit = FailureLimit(clock=lambda: now[0])
    for _ in range(10):
        limit.note("a")
    assert limit.wait_s("a") == 60

    now[0] = 61

    assert limit.wait_s("a") == 0


def test_what_is_too_long_is_refused(api: Api) -> None:
    answer = api.client().post("/api/backup/trigger", content=b"x" * 70_000)

    assert answer.status_code == 413


def test_no_other_site_may_use_it_from_a_browser(api: Api) -> None:
    answer = api.client().get("/api/backup/sets", headers={"Origin": "https://evil.example"})

    assert "access-control-allow-origin" not in answer.headers


class TestTokens:
    def test_a_token_is_shown_once_and_stored_as_a_hash(self, tmp_path: Path) -> None:
        file = TokenFile(tmp_path / "tokens.json")

        text = file.create("ci", Scope.OPERATE)

        found = find_token(file.all(), text)
        assert found is not None
        assert (found.name, found.scope) == ("ci", Scope.OPERATE)
        assert text not in (tmp_path / "tokens.json").read_text()
        assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600

    def test_a_revoked_token_is_worthless(self, tmp_path: Path) -> None:
        file = TokenFile(tmp_path / "tokens.json")
        text = file.create("ci", Scope.READ)

        file.revoke("ci")

        assert find_token(file.all(), text) is None
        with pytest.raises(NotFoundError, match="no token ci"):
            file.revoke("ci")

    def test_a_file_that_others_can_read_is_refused(self, tmp_path: Path) -> None:
        file = TokenFile(tmp_path / "tokens.json")
        file.create("ci", Scope.READ)
        (tmp_path / "tokens.json").chmod(0o644)

        with pytest.raises(SettingsError, match="readable for group or others"):
            file.all()

    @pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 64, "-x"])
    def test_bad_names_are_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(SettingsError, match="no name for a token"):
            TokenFile(tmp_path / "tokens.json").create(name, Scope.READ)

    def test_a_name_is_taken_once(self, tmp_path: Path) -> None:
        file = TokenFile(tmp_path / "tokens.json")
        file.create("ci", Scope.READ)

        with pytest.raises(SettingsError, match="token ci already"):
            file.create("ci", Scope.READ)

    @given(st.text(max_size=60))
    def test_no_other_text_is_a_token(self, text: str) -> None:
        assert find_token((), text) is None
