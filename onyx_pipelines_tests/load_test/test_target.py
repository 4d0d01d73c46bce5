from __future__ import annotations

import pytest

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.load_test.target import Target, require_allowed


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:8080", ()),
        ("http://[::1]:8080", ()),
        ("http://localhost:8080", ()),
        ("https://staging.example.org", ("staging.example.org",)),
        ("https://STAGING.example.org", ("staging.example.org",)),
        ("http://10.1.2.3", ("10.0.0.0/8",)),
        ("http://10.1.2.3", ("10.1.2.3",)),
    ],
)
def test_loopback_and_what_is_listed_may_be_loaded(url: str, allowed: tuple[str, ...]) -> None:
    require_allowed(Target(url), allowed)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://example.org", ()),
        ("https://example.org", ("staging.example.org",)),
        ("https://evil-staging.example.org", ("staging.example.org",)),
        ("http://10.1.2.3", ("10.2.0.0/16",)),
        ("http://example.org", ("0.0.0.0/0",)),
        ("http://127.0.0.1.example.org", ()),
        ("http://2130706433.example", ()),
    ],
)
def test_everything_else_is_refused(url: str, allowed: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match="not in ONYX_LOAD_TEST_ALLOWED_HOSTS"):
        require_allowed(Target(url), allowed)


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1", "127.0.0.1:80", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="not an http"):
        require_allowed(Target(url), ())


def test_credentials_in_the_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError, match="holds a user or a password") as caught:
        require_allowed(Target("http://me:planted@127.0.0.1"), ())

    assert "planted" not in str(caught.value)


def test_the_origin_has_no_path() -> None:
    assert Target("https://a.example:8443/x/y").origin == "https://a.example:8443"
