"""One URL means one server."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.qdrant import QdrantSource
from onyx_pipelines.sources.qdrant.address import is_this_host, normalised_url


@pytest.mark.parametrize(
    ("given", "normalised"),
    [
        ("http://qdrant:6333", "http://qdrant:6333"),
        ("http://qdrant:6333/", "http://qdrant:6333"),
        ("  http://qdrant:6333\n", "http://qdrant:6333"),
        ("http://qdrant", "http://qdrant:80"),
        ("https://qdrant.example.org", "https://qdrant.example.org:443"),
        ("https://example.org/vectors/", "https://example.org:443/vectors"),
        ("http://[::1]:6333", "http://[::1]:6333"),
    ],
)
def test_the_port_is_spelled_out_and_the_last_slash_dropped(given: str, normalised: str) -> None:
    assert normalised_url(given) == normalised
    assert normalised_url(normalised) == normalised


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("", "is not an http or https URL"),
        ("qdrant", "is not an http or https URL"),
        ("qdrant:6333", "is not an http or https URL"),
        ("ftp://qdrant", "is not an http or https URL"),
        ("http://", "is not an http or https URL"),
        ("http://qdrant:port", "is not a URL"),
        ("http://qdrant:99999", "is not a URL"),
        ("http://[::1", "is not a URL"),
        ("http://qdrant:6333/?api_key=x", "has more than a host"),
        ("http://somebody@qdrant:6333", "holds a user name or a password"),
    ],
)
def test_another_text_is_refused_for_good(given: str, problem: str) -> None:
    with pytest.raises(SourceError, match=problem) as caught:
        normalised_url(given)

    assert not caught.value.transient
    assert "http://qdrant:6333" in caught.value.remedy


def test_a_password_in_the_address_is_not_repeated(tmp_path: Path) -> None:
    source = QdrantSource("http://somebody:planted-secret@qdrant:6333", state_dir=tmp_path)

    with pytest.raises(SourceError) as caught:
        source.describe()

    assert "planted-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "no_network_between"),
    [
        ("http://127.0.0.1:6333", True),
        ("http://127.8.8.8:6333", True),
        ("http://localhost:6333", True),
        ("http://[::1]:6333", True),
        ("http://[::ffff:127.0.0.1]:6333", True),
        ("http://qdrant:6333", False),
        ("http://localhost.example.org:6333", False),
        ("http://10.0.0.7:6333", False),
        ("https://qdrant.example.org:443", False),
    ],
)
def test_only_a_loopback_address_is_certain_to_be_this_host(
    url: str, no_network_between: bool
) -> None:
    assert is_this_host(url) is no_network_between
