"""Incidents by the API: Alertmanager's webhook, the records, and the link that acknowledges."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.api.tokens import Scope
from onyx_pipelines.audit import Trail
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.incidents.attending import attend
from onyx_pipelines.readiness.incidents.book import IncidentBook
from onyx_pipelines.readiness.incidents.links import LIFETIME, acknowledge_link, is_signed
from onyx_pipelines.readiness.incidents.record import Incident
from onyx_pipelines_tests.api.conftest import Api, make_api
from onyx_pipelines_tests.examples import random_examples
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.readiness.made_incidents import NOW, alert, body, finds

ALERTS = "/api/incidents/alerts"


@pytest.fixture
def own(volume_host: HostUnderTest) -> Api:
    volume_host.set(API_PUBLIC_URL="https://api.example.org")
    return make_api(volume_host)


def only(host: HostUnderTest) -> Incident:
    (found,) = IncidentBook(host.settings.state_dir).all()
    return found


def fire(own: Api, *alerts: dict[str, Any]) -> None:
    answer = own.client(Scope.ALERT).post(ALERTS, json=body(*alerts or (alert(),)))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("scope", "status"),
    [(None, 401), (Scope.READ, 403), (Scope.ALERT, 200), (Scope.OPERATE, 200)],
)
def test_who_may_tell_of_alerts(
    scope: Scope | None, status: int, own: Api, volume_host: HostUnderTest
) -> None:
    answer = own.client(scope).post(ALERTS, json=body(alert()))

    assert answer.status_code == status
    assert len(IncidentBook(volume_host.settings.state_dir).all()) == (status == 200)


@pytest.mark.parametrize("path", ["/api/incidents", "/api/backup/sets", "/api/stack-health"])
def test_who_may_tell_of_alerts_may_do_nothing_else(path: str, own: Api) -> None:
    assert own.client(Scope.ALERT).get(path).status_code == 403


def test_what_it_answered_is_on_disk(own: Api, volume_host: HostUnderTest) -> None:
    answer = own.client(Scope.ALERT).post(ALERTS, json=body(alert()))
    again = own.client(Scope.ALERT).post(ALERTS, json=body(alert()))

    assert answer.json() == {"incidents": [only(volume_host).id]}
    assert again.json() == {"incidents": []}


def test_what_is_no_message_is_refused(own: Api) -> None:
    answer = own.client(Scope.ALERT).post(ALERTS, json={"alerts": [{"status": "odd"}]})

    assert answer.status_code == 422


def test_one_is_shown_with_all_that_happened(own: Api, volume_host: HostUnderTest) -> None:
    fire(own)
    attend(volume_host.settings, look=finds(Playbook.DATABASE_FAILURE))
    client = own.client(Scope.READ)

    listed = client.get("/api/incidents?state=open").json()["incidents"]
    (shown,) = (client.get(f"/api/incidents/{each['incident_id']}").json() for each in listed)

    assert shown["title"] == "The database fails"
    assert shown["playbooks"] == ["database-failure"]
    assert shown["firing"] == ["PostgresqlDown"]
    assert [each["source"] for each in shown["timeline"]] == ["alert", "incident", "triage"]
    assert client.get("/api/incidents?state=closed").json() == {"incidents": []}


def test_a_token_acknowledges_and_closes_in_its_name(own: Api, volume_host: HostUnderTest) -> None:
    fire(own)
    path = f"/api/incidents/{only(volume_host).id}"

    assert own.client(Scope.READ).post(f"{path}/ack").status_code == 403
    taken = own.client(Scope.OPERATE).post(f"{path}/ack").json()
    over = own.client(Scope.OPERATE).post(f"{path}/close", json={"reason": "a test"}).json()

    assert (taken["state"], taken["acknowledged_by"]) == ("acknowledged", "operate")
    assert over["state"] == "closed"
    actions = [each.action for each in Trail.of(volume_host.settings).records()]
    assert actions.count("api incident.ack") == actions.count("api incident.close") == 2


def test_one_that_is_not_there(own: Api) -> None:
    path = "/api/incidents/20260101T000000Z-0000"

    assert own.client(Scope.READ).get(path).status_code == 404
    assert own.client(Scope.OPERATE).post(f"{path}/ack").status_code == 404


class TestLink:
    @pytest.fixture
    def link(self, own: Api, volume_host: HostUnderTest) -> str:
        fire(own)
        whole = acknowledge_link(volume_host.settings, only(volume_host).id, datetime.now(UTC))
        return whole.removeprefix("https://api.example.org")

    @pytest.fixture
    def guest(self, own: Api) -> TestClient:
        return own.client(None)

    def test_to_open_it_changes_nothing(
        self, link: str, guest: TestClient, volume_host: HostUnderTest
    ) -> None:
        answers = [guest.get(link), guest.head(link)]

        assert answers[0].status_code == 200
        assert "PostgresqlDown in a sentence" in answers[0].text
        assert only(volume_host).acknowledged is None

    def test_its_button_acknowledges(
        self, link: str, guest: TestClient, volume_host: HostUnderTest
    ) -> None:
        answer = guest.post(link, data={"name": "Ann <b>"})

        assert answer.status_code == 200
        assert "Ann &lt;b&gt; has it" in answer.text
        assert only(volume_host).acknowledged is not None
        (begin, _) = Trail.of(volume_host.settings).records()
        assert begin.parameters["name"] == "Ann <b>"

    def test_no_other_page_may_frame_it_or_learn_its_address(
        self, link: str, guest: TestClient
    ) -> None:
        headers = guest.get(link).headers

        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"

    @pytest.mark.parametrize(
        ("before", "behind"),
        [("signature=", "signature=A"), ("until=", "until=9"), ("/incidents/2", "/incidents/3")],
    )
    def test_one_that_was_changed_is_none(
        self, before: str, behind: str, link: str, guest: TestClient, volume_host: HostUnderTest
    ) -> None:
        changed = link.replace(before, behind)

        assert guest.post(changed).status_code == 404
        assert only(volume_host).acknowledged is None

    def test_after_its_time_it_does_nothing(
        self, own: Api, guest: TestClient, volume_host: HostUnderTest
    ) -> None:
        fire(own)
        old = acknowledge_link(volume_host.settings, only(volume_host).id, NOW - 2 * LIFETIME)

        answer = guest.post(old.removeprefix("https://api.example.org"))

        assert answer.status_code == 410
        assert "onyx incident ack" in answer.json()["remedy"]
        assert only(volume_host).acknowledged is None

    def test_addresses_that_may_not_ask_may_not_acknowledge(self, link: str, own: Api) -> None:
        assert own.client(None, "10.0.0.1").get(link).status_code == 403


def settings_in(folder: Path) -> Settings:
    return load_settings({"state_dir": folder, "api_public_url": "http://api"})


def test_nothing_but_what_was_signed_is(tmp_path: Path) -> None:
    own, one, other = settings_in(tmp_path), "20261127T090000Z-0001", "20261127T090000Z-0002"
    asked = parse_qs(urlsplit(acknowledge_link(own, one, NOW)).query)
    until, signature = int(asked["until"][0]), asked["signature"][0]

    @given(st.text(max_size=60), st.integers(0, 10**12), st.sampled_from((one, other)))
    @settings(max_examples=random_examples(50))
    def holds(text: str, moment: int, incident_id: str) -> None:
        assert not is_signed(own, incident_id, moment, text)

    holds()
    assert is_signed(own, one, until, signature)
    assert not is_signed(own, other, until, signature)
    assert not is_signed(own, one, until + 1, signature)


def test_without_an_address_for_people_there_is_no_link(tmp_path: Path) -> None:
    assert acknowledge_link(load_settings({"state_dir": tmp_path}), "x", NOW) == ""


def test_links_are_of_one_host_only(tmp_path: Path) -> None:
    one, other = settings_in(tmp_path / "one"), settings_in(tmp_path / "other")
    asked = parse_qs(urlsplit(acknowledge_link(one, "20261127T090000Z-0001", NOW)).query)

    assert not is_signed(
        other, "20261127T090000Z-0001", int(asked["until"][0]), asked["signature"][0]
    )
    assert (tmp_path / "one" / "incidents" / "link.key").stat().st_mode & 0o777 == 0o600
