"""deploy/nginx before Dagster's real web server: requests one by one, then a real browser."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, WebSocket, expect

from onyx_pipelines_tests.dagster_server import DagsterServer
from onyx_pipelines_tests.waiting import PATIENCE_S
from onyx_pipelines_tests.web.conftest import OtherSite
from onyx_pipelines_tests.web.nginx import API, DAGSTER, GUEST, GUESTS, OPERATOR, Proxy

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

LAUNCH = (
    'mutation { launchRun(executionParams: { selector: { jobName: "prune_backups",'
    ' repositoryName: "__repository__", repositoryLocationName: "onyx_pipelines.definitions" },'
    " runConfigData: {} }) { __typename } }"
)
JOB_PAGE = "/locations/onyx_pipelines.definitions/jobs/nightly_backup"
QUERY = json.dumps({"query": "{ version }"})
LAUNCH_BY_GET = f"/graphql?query={quote(LAUNCH)}"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "graphql-ws",
}
EVIL = "https://evil.example"


def fetched(site: str, mode: str, destination: str) -> dict[str, str]:
    """What a browser says of a request."""
    return {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": destination}


CASES = {
    "nobody": ("GET", "/", None, {}, None, 401),
    "a wrong password": ("GET", "/", (OPERATOR[0], "no"), {}, None, 401),
    "a guest on the operators' side": ("GET", "/", GUEST, {}, None, 401),
    "a page": ("GET", "/", OPERATOR, {}, None, 200),
    "a query of a program": ("POST", "/graphql", OPERATOR, JSON, QUERY, 200),
    "a query from another origin": (
        "POST", "/graphql", OPERATOR, {**JSON, "Origin": EVIL}, QUERY, 403,
    ),
    "an origin that only begins like ours": (
        "POST", "/graphql", OPERATOR, {**JSON, "Origin": f"https://{DAGSTER}.evil.example"}, QUERY,
        403,
    ),
    "no origin at all (sandboxed frame)": (
        "POST", "/graphql", OPERATOR, {**JSON, "Origin": "null"}, QUERY, 403,
    ),
    "a mutation by GET": ("GET", LAUNCH_BY_GET, OPERATOR, {}, None, 405),
    "an image on another site": (
        "GET", LAUNCH_BY_GET, OPERATOR,
        fetched("cross-site", "no-cors", "image"), None, 403,
    ),
    "a link on another site": (
        "GET", "/runs", OPERATOR,
        fetched("cross-site", "navigate", "document"), None, 200,
    ),
    "a frame on another site": (
        "GET", "/runs", OPERATOR,
        fetched("cross-site", "navigate", "iframe"), None, 403,
    ),
    "a form": ("POST", LAUNCH_BY_GET, OPERATOR, FORM, "x=y", 405),
    "a form that says it is JSON and text": (
        "POST", LAUNCH_BY_GET, OPERATOR, {"Content-Type": "text/plain; application/json"}, "{}",
        405,
    ),
    "a claimed materialization": (
        "POST", "/report_asset_materialization/backup_set", OPERATOR, JSON, "{}", 403,
    ),
    "a claimed check": ("POST", "/report_asset_check/backup_set", OPERATOR, JSON, "{}", 403),
    "a claim with a doubled slash": (
        "POST", "//report_asset_materialization/backup_set", OPERATOR, JSON, "{}", 403,
    ),
    "any other POST": ("POST", "/anything", OPERATOR, JSON, "{}", 403),
    "a WebSocket of another origin": (
        "GET", "/graphql", OPERATOR, {**WEBSOCKET, "Origin": EVIL}, None, 403,
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_runs_are_left(writable: DagsterServer) -> Iterator[None]:
    yield
    writable.delete_all()


class TestRequests:
    @pytest.mark.parametrize("case", CASES)
    def test_only_what_is_meant_passes(
        self, case: str, proxy: Proxy, writable: DagsterServer
    ) -> None:
        method, path, user, headers, content, status = CASES[case]

        answer = proxy.ask(method, path, user=user, headers=headers, content=content)

        assert answer.status_code == status
        assert writable.runs() == []

    def test_our_own_origin_passes(self, proxy: Proxy) -> None:
        own = {**JSON, "Origin": proxy.url(DAGSTER), "Sec-Fetch-Site": "same-origin"}

        answer = proxy.ask("POST", "/graphql", headers=own, content=QUERY)

        assert answer.json()["data"]["version"]

    def test_another_host_name_is_not_ours(self, proxy: Proxy) -> None:
        assert proxy.ask("GET", "/", host="rebound.example").status_code == 421

    def test_the_page_may_be_framed_by_nobody_else(self, proxy: Proxy) -> None:
        headers = proxy.ask("GET", "/").headers

        assert headers["X-Frame-Options"] == "SAMEORIGIN"
        assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
        assert headers["Strict-Transport-Security"]

    def test_a_guest_reads_and_cannot_launch(self, proxy: Proxy, writable: DagsterServer) -> None:
        def ask(query: str) -> dict[str, object]:
            content = json.dumps({"query": query})
            answer = proxy.ask(
                "POST", "/graphql", name=GUESTS, user=GUEST, headers=JSON, content=content
            )
            found: dict[str, object] = answer.json()["data"]
            return found

        assert ask("{ version }")["version"]
        assert ask(LAUNCH) == {"launchRun": {"__typename": "UnauthorizedError"}}
        assert writable.runs() == []

    def test_an_operator_is_no_guest(self, proxy: Proxy) -> None:
        assert proxy.ask("GET", "/", name=GUESTS, user=OPERATOR).status_code == 401

    def test_the_api_is_told_who_asks_whatever_the_client_claims(self, proxy: Proxy) -> None:
        forged = {"X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1"}

        answer = proxy.ask("GET", "/api/health", name=API, user=None, headers=forged)

        assert "X-Forwarded-For: 127.0.0.1\n" in answer.text
        assert "X-Forwarded-For: 10.0.0.1" not in answer.text


@pytest.fixture
def signed_in(browser: Browser) -> Iterator[BrowserContext]:
    """Whoever asks for a password gets the operator's: a browser that remembers it."""
    context = browser.new_context(
        ignore_https_errors=True,
        http_credentials={"username": OPERATOR[0], "password": OPERATOR[1]},
        viewport={"width": 1400, "height": 900},
    )
    context.set_default_timeout(120_000)
    yield context
    context.close()


@pytest.fixture
def page(signed_in: BrowserContext, proxy: Proxy) -> Page:
    """Signed in."""
    found = signed_in.new_page()
    found.goto(proxy.url(DAGSTER), wait_until="commit")
    return found


def attack(page: Page, site: OtherSite, target: str) -> None:
    """Somebody else's page tries an image, a form and a request."""
    body = json.dumps(json.dumps({"query": LAUNCH}))
    address = f"{target}{LAUNCH_BY_GET}"
    site.page = f"""
      <img src="{address}">
      <iframe name="sink"></iframe>
      <form id="f" method="post" target="sink" action="{address}"><input name="x"></form>
      <script>
        document.getElementById("f").submit();
        fetch("{target}/graphql", {{method: "POST", mode: "no-cors", credentials: "include",
          headers: {{"Content-Type": "text/plain"}}, body: {body}}});
      </script>"""
    answered: list[str] = []

    def note(request: Request) -> None:
        if request.url.startswith(target):
            answered.append(request.url)

    page.on("requestfinished", note)
    page.on("requestfailed", note)
    page.goto(site.url)
    wait_in(page, lambda: len(answered) >= 3, "all three are answered or refused")


def wait_in(page: Page, condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        page.wait_for_timeout(50)


class TestBrowser:
    def test_the_ui_works_whole_when_signed_in(
        self, page: Page, proxy: Proxy, writable: DagsterServer
    ) -> None:
        events: list[str | bytes] = []

        def listen(socket: WebSocket) -> None:
            socket.on("framereceived", lambda frame: events.append(frame))

        page.on("websocket", listen)
        page.goto(f"{proxy.url(DAGSTER)}{JOB_PAGE}")
        page.get_by_role("button", name="Materialize").first.click()
        page.get_by_text("Launched run").wait_for()
        (run,) = writable.runs()
        page.goto(f"{proxy.url(DAGSTER)}/runs/{run['runId']}")

        assert run["jobName"] == "nightly_backup"
        expect(page.get_by_text("nightly_backup").first).to_be_visible()
        expect(page.get_by_text("This run is queued for execution").first).to_be_visible()
        wait_in(
            page,
            lambda: any(str(run["runId"]) in str(event) for event in events),
            "an event of the run comes over a WebSocket",
        )

    def test_a_page_of_another_site_does_nothing(
        self, page: Page, proxy: Proxy, writable: DagsterServer, other_site: OtherSite
    ) -> None:
        attack(page, other_site, proxy.url(DAGSTER))

        assert "/" in other_site.asked
        assert writable.runs() == []

    def test_without_the_proxy_the_same_page_launches_runs(
        self, signed_in: BrowserContext, writable: DagsterServer, other_site: OtherSite
    ) -> None:
        attack(signed_in.new_page(), other_site, writable.url)

        assert writable.runs() != []

    def test_a_frame_in_another_site_stays_empty(
        self, page: Page, proxy: Proxy, other_site: OtherSite
    ) -> None:
        other_site.page = f'<iframe src="{proxy.url(DAGSTER)}/runs"></iframe>'
        page.goto(other_site.url)

        wait_in(
            page,
            lambda: page.frames[1].url == "chrome-error://chromewebdata/",
            "the frame shows the browser's own error",
        )

    def test_a_link_in_a_message_leads_to_the_page(
        self, page: Page, proxy: Proxy, other_site: OtherSite
    ) -> None:
        other_site.page = f'<a href="{proxy.url(DAGSTER)}/runs">run</a>'
        page.goto(other_site.url)
        page.get_by_text("run").click()

        expect(
            page.get_by_role("heading", name="Runs").or_(page.get_by_text("Runs")).first
        ).to_be_visible()

    def test_a_guest_sees_everything_and_can_start_nothing(
        self, browser: Browser, proxy: Proxy
    ) -> None:
        context = browser.new_context(
            ignore_https_errors=True,
            http_credentials={"username": GUEST[0], "password": GUEST[1]},
        )
        page = context.new_page()
        page.goto(f"{proxy.url(GUESTS)}{JOB_PAGE}")
        button = page.get_by_role("button", name="Materialize").first

        expect(button).to_be_visible(timeout=120_000)
        expect(button).to_be_disabled()
        context.close()
