"""The page behind the link of an incident's message, in a real browser."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from onyx_pipelines.api.app import create_app
from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.readiness.incidents.actions import open_by_hand
from onyx_pipelines.readiness.incidents.book import IncidentBook
from onyx_pipelines.readiness.incidents.links import acknowledge_link
from onyx_pipelines_tests.api.serving import served
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

PUBLIC = "https://api.example.org"


@pytest.mark.slow
def test_its_button_acknowledges(volume_host: HostUnderTest, browser: Browser) -> None:
    volume_host.set(API_PUBLIC_URL=PUBLIC)
    settings = volume_host.settings
    made = open_by_hand(settings, "chat is slow", Severity.WARNING, "ann")
    link = acknowledge_link(settings, made.id, datetime.now(UTC)).removeprefix(PUBLIC)
    errors: list[str] = []
    with served(create_app(settings)) as address, browser.new_context() as context:
        page = context.new_page()
        page.on("console", lambda said: errors.append(said.text))
        page.goto(f"http://{address}{link}")
        page.get_by_label("Your name").fill("bob")
        page.get_by_role("button", name="I take it").click()

        expect(page.get_by_role("heading", name="bob has it")).to_be_visible()
        expect(page.get_by_role("button")).to_have_count(0)

    assert errors == []
    taken = IncidentBook(settings.state_dir).find(made.id).acknowledged
    assert taken is not None
    assert taken.by == "bob"
