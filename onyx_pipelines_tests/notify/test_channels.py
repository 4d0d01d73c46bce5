"""Slack, mail and the dead man's switch against real servers."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_string, policy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.notify.channels.channel import DeliveryError
from onyx_pipelines.notify.channels.dead_man_switch import DeadManSwitch
from onyx_pipelines.notify.channels.mail import MailChannel, MailServer, SmtpSecurity
from onyx_pipelines.notify.channels.mail import message as mail_message
from onyx_pipelines.notify.channels.other import OtherChannel
from onyx_pipelines.notify.channels.slack import SlackChannel
from onyx_pipelines.notify.channels.slack import message as slack_message
from onyx_pipelines.notify.event import Event, Outcome, event_from_json
from onyx_pipelines.notify.routing import routes
from onyx_pipelines_tests.notify.servers import mail_host, webhook
from onyx_pipelines_tests.waiting import PATIENCE_S

EVENT = Event(
    outcome=Outcome.FAILED,
    subject="nightly_backup failed",
    run_id="run-1",
    job="nightly_backup",
    summary="postgres_backup: no space left",
    details={"host": "onyx-1", "set": "abc", "took": "12 s"},
    links={"run": "http://dagster/runs/run-1"},
    playbook="http://wiki/backup-failed",
    occurred_at=datetime(2026, 11, 3, 2, 1, tzinfo=UTC),
)
SECRET = "planted-secret-path"
# A file's name, a collection's, an exception's text.
AWKWARD = (
    "pages/[id] \udcff <!channel> <@U1> <http://evil|click> *b* _i_ `c` ~s~ & :boom:"
    " \x1b[31m\x00 \u202e"
)
texts = st.text(st.characters(), max_size=4000)
events = st.builds(
    Event,
    outcome=st.sampled_from(Outcome),
    subject=texts,
    run_id=st.text(st.characters(), max_size=40),
    job=st.text(st.characters(), max_size=40),
    summary=texts,
    details=st.dictionaries(st.text(max_size=50), st.one_of(texts, st.integers()), max_size=14),
    links=st.dictionaries(st.text(max_size=30), st.text(st.characters(), max_size=900), max_size=5),
    playbook=st.text(st.characters(), max_size=100),
    occurred_at=st.datetimes(timezones=st.just(UTC)),
)


MARKUP = re.compile(r"[<>]|&(?!(?:amp|lt|gt);)")
LINK = re.compile(r"<[^<>| \n]*\|[^<>]*>")


def hostile(text: str) -> Event:
    return Event(
        Outcome.FAILED, text, text, "j", text, {text: text}, links={"run": text}, playbook=text
    )


def text_objects(value: Any) -> list[dict[str, Any]]:
    """Every text object of Slack's in a message."""
    if isinstance(value, list):
        return [each for item in value for each in text_objects(item)]
    if not isinstance(value, dict):
        return []
    own = [value] if isinstance(value.get("text"), str) else []
    return own + [each for item in value.values() for each in text_objects(item)]


class TestSlack:
    def test_a_failure_says_what_why_where_and_what_to_do(self) -> None:
        with webhook() as hook:
            SlackChannel(SecretStr(f"{hook.url}/services/x"), routes(["failed"])).send([EVENT])

        blocks = hook.json()["blocks"]
        text = str(blocks)
        assert blocks[0]["text"]["text"] == "❌ nightly_backup failed"
        for part in (
            "no space left",
            "onyx-1",
            "<http://dagster/runs/run-1|run>",
            "<http://wiki/backup-failed|what to do>",
            "2026-11-03 02:01:00 UTC",
        ):
            assert part in text

    def test_several_of_a_kind_are_one_message_that_counts_them(self) -> None:
        assert slack_message([EVENT, EVENT, EVENT])["text"].endswith("(3 times)")

    @given(events)
    def test_whatever_is_told_slack_takes_it(self, event: Event) -> None:
        message = slack_message([event])

        assert json.loads(json.dumps(message, ensure_ascii=False).encode()) == message
        assert len(message["blocks"]) <= 50
        for block in message["blocks"]:
            if block["type"] == "header":
                assert 1 <= len(block["text"]["text"]) <= 150
            if "text" in block and block["type"] == "section":
                assert 1 <= len(block["text"]["text"]) <= 3000
            assert len(block.get("fields", [])) <= 10
            assert all(len(each["text"]) <= 2000 for each in block.get("fields", []))

    @given(events)
    @example(hostile(AWKWARD))
    @example(hostile("&" * 5000))
    def test_no_text_is_markup_a_mention_or_half_an_escape(self, event: Event) -> None:
        message = slack_message([event, event])

        texts = text_objects(message["blocks"])
        links = [each for each in texts if each["type"] == "mrkdwn"]
        plain = [each for each in texts if each["type"] == "plain_text"]
        assert len(links) <= 1
        assert len(links) + len(plain) == len(texts)
        assert not any(each["emoji"] for each in plain)
        assert not message["mrkdwn"]
        for text in (message["text"], *(each["text"] for each in plain)):
            assert not MARKUP.search(text), text
        for each in links:
            assert all(LINK.fullmatch(link) for link in each["text"].split(" · ")), each

    def test_what_a_name_really_is_can_be_read(self) -> None:
        blocks = slack_message([hostile(AWKWARD)])["blocks"]

        shown = html.unescape(blocks[1]["text"]["text"])
        assert shown == (
            r"pages/[id] \udcff <!channel> <@U1> <http://evil|click> *b* _i_ `c` ~s~ & :boom:"
            r" \x1b[31m\x00 \u202e"
        )

    @pytest.mark.parametrize(
        ("answer", "transient", "wait"),
        [
            ((500, {}, 0.0), True, None),
            ((429, {"Retry-After": "7"}, 0.0), True, 7.0),
            ((404, {}, 0.0), False, None),
            ((0, {}, 0.0), True, None),
        ],
    )
    def test_what_fails_says_whether_another_try_may_help(
        self, answer: tuple[int, dict[str, str], float], transient: bool, wait: float | None
    ) -> None:
        with webhook() as hook:
            hook.answers.append(answer)
            channel = SlackChannel(SecretStr(f"{hook.url}/{SECRET}"), routes(["failed"]))
            with pytest.raises(DeliveryError) as caught:
                channel.send([EVENT])

        assert (caught.value.transient, caught.value.retry_after_s) == (transient, wait)
        assert SECRET not in str(caught.value)

    def test_a_server_that_is_gone_is_transient_and_its_address_not_shown(self) -> None:
        with pytest.raises(DeliveryError) as caught:
            SlackChannel(SecretStr(f"http://127.0.0.1:9/{SECRET}"), routes([])).send([EVENT])

        assert caught.value.transient
        assert SECRET not in str(caught.value)


class TestMail:
    def channel(self, port: int, **changes: object) -> MailChannel:
        server = MailServer("127.0.0.1", port, SmtpSecurity.NONE, **changes)  # type: ignore[arg-type]  # keywords that a test names
        return MailChannel(server, "onyx@example.org", "ops@example.org", routes(["failed"]))

    def test_it_arrives_with_subject_facts_and_links(self) -> None:
        with mail_host() as host:
            self.channel(host.port).send([EVENT])

        mail = message_from_string(host.messages[0], policy=policy.default)
        body = mail.get_content()  # type: ignore[attr-defined]  # of EmailMessage, which typeshed calls Message
        assert mail["Subject"] == "❌ nightly_backup failed"
        assert mail["To"] == "ops@example.org"
        for part in ("no space left", "host: onyx-1", "What to do: http://wiki/backup-failed"):
            assert part in body

    def test_it_signs_in_where_it_has_a_user(self) -> None:
        with mail_host() as host:
            self.channel(host.port, user="me", password=SecretStr(SECRET)).send([EVENT])

        assert len(host.logins) == 1

    @pytest.mark.parametrize(("code", "transient"), [(451, True), (550, False)])
    def test_refused_recipients_say_whether_another_try_may_help(
        self, code: int, transient: bool
    ) -> None:
        with mail_host() as host:
            host.refuse = code
            with pytest.raises(DeliveryError) as caught:
                self.channel(host.port).send([EVENT])

        assert caught.value.transient is transient

    def test_a_server_that_is_busy_or_gone_is_transient(self) -> None:
        with mail_host() as host:
            host.busy = 421
            with pytest.raises(DeliveryError) as busy:
                self.channel(host.port).send([EVENT])
        with pytest.raises(DeliveryError) as gone:
            self.channel(9).send([EVENT])

        assert busy.value.transient
        assert gone.value.transient

    @given(events)
    def test_no_text_becomes_a_header(self, event: Event) -> None:
        mail = mail_message([event], "a@example.org", ["b@example.org"])

        assert bytes(mail)
        assert set(mail.keys()) <= {
            "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version",
            "Content-Type", "Content-Transfer-Encoding",
        }  # fmt: skip


class TestAwkwardNames:
    """Whatever a name is made of, it arrives, on every channel, at the first try."""

    def test_by_slack(self) -> None:
        with webhook() as hook:
            SlackChannel(SecretStr(hook.url), routes(["failed"])).send([hostile(AWKWARD)])

        assert r"\udcff" in hook.json()["text"]

    def test_by_mail(self) -> None:
        with mail_host() as host:
            server = MailServer("127.0.0.1", host.port, SmtpSecurity.NONE)
            channel = MailChannel(server, "a@example.org", "b@example.org", routes(["failed"]))
            channel.send([hostile(AWKWARD)])

        mail = message_from_string(host.messages[0], policy=policy.default)
        assert r"\udcff <!channel>" in mail["Subject"]
        assert r"\x1b[31m\x00" in mail.get_content()  # type: ignore[attr-defined]  # of EmailMessage, which typeshed calls Message

    def test_by_the_dead_mans_switch(self) -> None:
        event = replace(hostile(AWKWARD), job="nightly_backup")
        with webhook() as hook:
            DeadManSwitch({"nightly_backup": SecretStr(f"{hook.url}/p")}).send([event])

        assert rb"\udcff" in hook.requests[0][1]

    @pytest.mark.slow
    def test_by_another_messenger(self) -> None:
        with webhook() as hook:
            address = hook.url.replace("http://", "json://")
            OtherChannel(SecretStr(address), routes(["failed"]), limit_s=PATIENCE_S).send(
                [hostile(AWKWARD)]
            )

        assert r"*b* _i_ `c` ~s~ & :boom: \x1b[31m\x00" in hook.json()["message"]


@pytest.mark.slow
class TestOther:
    def test_apprise_carries_it_to_a_real_server(self) -> None:
        with webhook() as hook:
            address = hook.url.replace("http://", "json://")
            OtherChannel(SecretStr(address), routes(["failed"]), limit_s=PATIENCE_S).send([EVENT])

        said = hook.json()
        assert said["title"].endswith(EVENT.subject)
        assert EVENT.summary in said["message"]
        assert EVENT.playbook in said["message"]
        assert said["type"] == "failure"

    def test_a_server_that_fails_is_tried_again(self) -> None:
        with webhook() as hook:
            hook.answers = [(500, {}, 0.0)]
            channel = OtherChannel(
                SecretStr(hook.url.replace("http", "json") + f"/{SECRET}"), routes(["failed"])
            )
            with pytest.raises(DeliveryError) as caught:
                channel.send([EVENT])

        assert caught.value.transient
        assert SECRET not in str(caught.value)

    def test_an_address_that_is_none_says_so_without_showing_it(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        channel = OtherChannel(
            SecretStr(f"nothing://{SECRET}"), routes(["failed"]), number=2, limit_s=PATIENCE_S
        )

        with pytest.raises(DeliveryError, match="nothing 2 is none that apprise knows") as caught:
            channel.send([EVENT])

        assert not caught.value.transient
        assert SECRET not in str(caught.value) + caplog.text


class TestRoutes:
    @pytest.mark.parametrize(
        ("texts", "job", "outcome", "wanted"),
        [
            (["failed"], "nightly_backup", Outcome.FAILED, True),
            (["failed"], "nightly_backup", Outcome.SUCCEEDED, False),
            (["nightly_backup:succeeded"], "nightly_backup", Outcome.SUCCEEDED, True),
            (["nightly_backup:succeeded"], "load_test", Outcome.SUCCEEDED, False),
            (["failed", "load_test:succeeded"], "load_test", Outcome.SUCCEEDED, True),
            ([], "nightly_backup", Outcome.FAILED, False),
        ],
    )
    def test_outcome_and_job_decide(
        self, texts: list[str], job: str, outcome: Outcome, wanted: bool
    ) -> None:
        event = replace(EVENT, job=job, outcome=outcome)

        assert routes(texts).wants(event) is wanted

    def test_an_outcome_that_there_is_not_is_refused(self) -> None:
        with pytest.raises(SettingsError, match=r"ONYX_SLACK_NOTIFY_ON.*'exploded'"):
            load_settings({"slack_notify_on": "exploded"})


class TestDeadManSwitch:
    @pytest.mark.parametrize(
        ("outcome", "path"),
        [
            (Outcome.STARTED, "/ping/x/start"),
            (Outcome.SUCCEEDED, "/ping/x"),
            (Outcome.RECOVERED, "/ping/x"),
            (Outcome.FAILED, "/ping/x/fail"),
        ],
    )
    def test_each_outcome_has_its_ping(self, outcome: Outcome, path: str) -> None:
        event = Event(outcome, "s", "r", "nightly_backup", "x" * 20_000)
        with webhook() as hook:
            switch = DeadManSwitch({"nightly_backup": SecretStr(f"{hook.url}/ping/x")})
            assert switch.wants(event)
            switch.send([event])

        assert hook.requests[0][0] == path
        assert len(hook.requests[0][1]) <= 10_000

    def test_other_jobs_are_none_of_its_business(self) -> None:
        switch = DeadManSwitch({"load_test": SecretStr("http://127.0.0.1:9")})

        assert not switch.wants(EVENT)


@given(events)
def test_an_event_survives_being_stored(event: Event) -> None:
    assert event_from_json(event.as_json()) == event
