"""The API's own page, `/docs`, in a real browser: nothing of it comes from elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.tokens import Scope
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines_tests.api.conftest import Api, make_api
from onyx_pipelines_tests.api.serving import served
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

EXAMPLES = Path(__file__).parents[2] / "reports" / "examples"
DESCRIPTION = create_app(load_settings({})).openapi()
OPERATIONS = [
    (path, method) for path, methods in DESCRIPTION["paths"].items() for method in methods
]
_REPORT_VIOLATIONS = """
window.violations = [];
document.addEventListener('securitypolicyviolation', event =>
    window.violations.push(event.violatedDirective + ' ' + event.blockedURI));
"""


@dataclass
class Opened:
    """A page with what it asked for and complained about."""

    page: Page
    server: str
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture
def own(volume_host: HostUnderTest) -> Api:
    return make_api(volume_host)


@pytest.fixture
def opened(own: Api, browser: Browser) -> Iterator[Opened]:
    with served(own.app) as server, browser.new_context() as context:
        found = Opened(context.new_page(), f"http://{server}")
        found.page.add_init_script(_REPORT_VIOLATIONS)
        found.page.on("request", lambda request: found.asked.append(request.url))
        found.page.on("pageerror", lambda error: found.errors.append(str(error)))
        found.page.on(
            "console",
            lambda said: found.errors.append(said.text) if said.type == "error" else None,
        )
        found.page.goto(f"{found.server}/docs")
        yield found


def violations(page: Page) -> list[str]:
    found: list[str] = page.evaluate("window.violations")
    return found


@pytest.mark.slow
def test_it_shows_every_endpoint_and_asks_no_other_host(opened: Opened) -> None:
    page = opened.page
    expect(page.locator(".opblock")).to_have_count(len(OPERATIONS))
    page.locator(".opblock", has_text="/api/backup/restore/").locator("button").first.click()
    expect(page.get_by_text("Idempotency-Key")).to_be_visible()

    assert page.evaluate("document.fonts.size") == 0
    assert all(url.startswith((opened.server, "data:")) for url in opened.asked)
    assert violations(page) == []
    assert opened.errors == []


@pytest.mark.slow
def test_a_token_signs_in_and_asks_the_api(opened: Opened, own: Api) -> None:
    page = opened.page
    page.locator("button.authorize").first.click()
    page.get_by_label("auth-bearer-value").fill(own.tokens[Scope.READ])
    page.locator(".auth-container", has_text="Bearer").get_by_role(
        "button", name="Apply credentials"
    ).click()
    page.get_by_role("button", name="Close").first.click()
    block = page.locator(".opblock", has=page.locator("[data-path='/api/notifications']"))
    block.locator("button").first.click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()

    expect(block.locator(".live-responses-table .response-col_status").nth(1)).to_contain_text(
        "200"
    )
    assert violations(page) == []


def test_the_page_and_all_of_its_files_are_ours_and_the_browser_is_told(own: Api) -> None:
    client = own.client(None)
    page = client.get("/docs")
    names = ["begin.js", "swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"]

    assert "http" not in page.text
    assert "<script>" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert {client.get(f"/docs/{name}").status_code for name in names} == {200}
    assert client.get("/redoc").status_code == 404


def test_no_other_answer_is_a_page_with_scripts(own: Api) -> None:
    for path in ("/api/health", "/api/backup/sets", "/nowhere", "/openapi.json"):
        assert (
            own.client()
            .get(path)
            .headers["Content-Security-Policy"]
            .startswith("default-src 'none'")
        )


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_the_description_says_who_may(path: str, method: str) -> None:
    schemes = DESCRIPTION["components"]["securitySchemes"]
    assert {name: each["scheme"] for name, each in schemes.items()} == {
        "token": "bearer",
        "metrics": "basic",
    }
    declared = DESCRIPTION["paths"][path][method].get("security", [])

    wanted = {"/api/health": [], "/health": [], "/metrics": ["metrics"]}.get(path, ["token"])
    assert [name for each in declared for name in each] == wanted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "example"), [("restore-drills", "restore-drill"), ("load-test", "load-test")]
)
def test_reports_are_shown_as_they_are_under_their_own_policy(
    kind: str, example: str, own: Api, volume_host: HostUnderTest, browser: Browser
) -> None:
    page_file = volume_host.root / "reports" / kind / "latest" / "report.html"
    page_file.parent.mkdir(parents=True)
    shutil.copy(EXAMPLES / example / "report.html", page_file)
    headers = {"Authorization": f"Bearer {own.tokens[Scope.READ]}"}
    with served(own.app) as server, browser.new_context(extra_http_headers=headers) as context:
        page = context.new_page()
        page.add_init_script(_REPORT_VIOLATIONS)
        page.goto(f"http://{server}/api/reports/{kind}/latest")

        expect(page.locator("svg").first).to_be_visible()
        assert violations(page) == []
