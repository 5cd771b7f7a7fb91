"""What is looked at, and with which filters, is recorded: before what was decided on it, and as the page goes away."""

import pytest

from tests.made import scans
from tests.made.browser import browser
from tests.made.console_pages import Opener, desks, opened, service, shows
from tests.made.fake_service import FakeService
from tests.made.waiting import until

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: no page is tested")
from playwright.sync_api import Page, expect

__all__ = ["browser", "desks", "opened", "service"]

PICTURE = scans.scan("transmission")
WATCH_SENDING = """const send = window.fetch;
window.fetch = (address, options) => {
  if (options?.method === 'POST') {
    const sent = JSON.parse(sessionStorage.getItem('sent') ?? '[]');
    sessionStorage.setItem('sent', JSON.stringify([...sent, [address.split('/').at(-1), options.keepalive ?? false]]));
  }
  return send(address, options);
};"""


def test_the_use_of_filters_is_reported(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE)
    page = opened()
    shows(page, "A1")
    page.keyboard.down("5")
    expect(page.locator(".standard")).to_have_text("On: Invert")
    page.keyboard.up("5")
    expect(page.locator(".standard")).to_have_text("")
    page.get_by_role("button", name="Edge enhancement").click()
    page.keyboard.press("0")
    page.keyboard.press("?")  # leaving, one does not wait for more uses
    until(
        lambda: (
            {body["filter"] for path, body in service.bodies if path.endswith("/filters")}
            >= {"invert", "edge"}
        )
    )
    assert service.audit[0]["action"] == "view"


def used(page: Page, how: str = "let go") -> None:
    """Use a filter: let it go again, latch it, or go on holding its key."""
    standard = page.locator(".standard")
    if how == "latched":
        page.keyboard.press("Shift+5")
    else:
        page.keyboard.down("5")
    expect(standard).to_have_text("On: Invert")
    if how == "let go":
        page.keyboard.up("5")
        expect(standard).to_have_text("")


def uses(service: FakeService) -> list[dict[str, object]]:
    return [body for path, body in service.bodies if path.endswith("/filters")]


@pytest.mark.parametrize("how", ["let go", "held", "latched"])
def test_the_use_of_filters_is_recorded_before_what_was_decided(
    opened: Opener, service: FakeService, how: str
) -> None:
    service.arrive("A1", PICTURE)
    page = opened()
    shows(page, "A1")
    used(page, how)
    page.keyboard.press("c")
    until(lambda: any(path.endswith("/decisions") for path, _ in service.bodies))
    kinds = [path.rsplit("/", 1)[1] for path, _ in service.bodies]
    assert "filters" in kinds[: kinds.index("decisions")]
    page.keyboard.up("5")


@pytest.mark.parametrize("how", ["let go", "held", "latched"])
@pytest.mark.parametrize("end", ["signed out", "reloaded"])
def test_the_use_of_filters_outlives_the_page(
    opened: Opener, service: FakeService, end: str, how: str
) -> None:
    service.arrive("A1", PICTURE)
    page = opened()
    shows(page, "A1")
    used(page, how)
    if end == "reloaded":
        page.reload()
    else:
        page.locator(".bar > .button[data-kind=quiet]").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Password", exact=True)).to_be_visible()
    until(lambda: uses(service))
    paths = [line for line in service.requests if line.endswith(("/filters", "/logout"))]
    assert paths[0].endswith("/filters")
    assert end == "reloaded" or paths[-1].endswith("/logout")
    page.keyboard.up("5")


def sent_last(page: Page) -> list[str]:
    """Reload a page, close it, and return what it had sent in such a way that it arrives after the page is gone."""
    page.evaluate("sessionStorage.clear()")
    page.reload()
    sent: list[tuple[str, bool]] = page.evaluate("JSON.parse(sessionStorage.getItem('sent') ?? '[]')")
    page.close()  # what watches it stays with the page, which no other test is to have
    return [name for name, outlives in sent if outlives]


@pytest.mark.parametrize("how", ["let go", "latched"])
def test_what_is_left_is_sent_so_that_it_outlives_the_page(
    opened: Opener, service: FakeService, how: str
) -> None:
    service.arrive("A1", PICTURE)
    page = opened()
    page.add_init_script(WATCH_SENDING)
    page.reload()
    shows(page, "A1")
    used(page, how)
    assert sent_last(page) == ["filters"]


def test_what_was_refused_for_now_is_sent_before_the_page_is_gone(
    opened: Opener, service: FakeService
) -> None:
    service.arrive("A1", PICTURE)
    service.refused = {"/view": 1}
    page = opened("ada", "help")
    page.add_init_script(WATCH_SENDING)
    page.reload()
    page.goto(page.url.split("#")[0] + "#/lane/lane-1")
    shows(page, "A1")
    until(lambda: service.refused == {"/view": 0})
    used(page)
    assert sent_last(page) == ["view", "filters"]
