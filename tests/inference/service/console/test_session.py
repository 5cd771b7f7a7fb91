"""One browser, one session: what one tab does with it reaches the others."""

import pytest

from tests.made import scans
from tests.made.browser import browser
from tests.made.console_pages import Opener, desks, opened, service, shows, sign_in
from tests.made.fake_service import FakeService
from tests.made.waiting import until

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: no page is tested")
from playwright.sync_api import Page, expect

__all__ = ["browser", "desks", "opened", "service"]

PICTURE = scans.scan("transmission")
KEPT = "localStorage.getItem('cargosight-outbox')"


def leave(page: Page) -> None:
    page.locator(".bar > .button[data-kind=quiet]").click()
    page.get_by_role("button", name="Sign out").click()


def test_signing_out_reaches_every_tab(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE)
    lane, screen, other = opened("ada"), opened("ada", "screen/lane-1"), opened("ada", "help")
    shows(lane, "A1")
    expect(screen.locator(".scan-name")).to_have_text("A1")
    leave(other)
    for page in (lane, screen):
        expect(page.get_by_label("Password", exact=True)).to_be_visible(timeout=1000)
        expect(page.locator("main")).to_contain_text("You have signed out in another tab")
        assert "A1" not in page.inner_text("body")
    expect(other.get_by_label("Name")).to_be_focused()
    expect(other.locator(".box")).to_have_count(0)
    # Who comes back in one of them is back in all.
    sign_in(other, "ada")
    shows(lane, "A1")
    expect(screen.locator(".scan-name")).to_have_text("A1")


def test_a_session_that_ends_ends_in_every_tab_and_says_why(opened: Opener, service: FakeService) -> None:
    lane, other = opened("ada"), opened("ada", "help")
    expect(lane.locator("[data-part=connection]")).to_have_text("Live")
    expect(other.get_by_role("heading", level=1)).to_have_text("Help")
    service.sessions.clear()
    service.drop_streams()
    for page in (lane, other):
        expect(page.locator("main")).to_contain_text("an administrator has changed your account")
    sign_in(lane, "ben")  # somebody else: the other tab waits for its own
    expect(lane.get_by_role("heading", level=1)).to_have_text("Lane lane-1")
    expect(other.get_by_label("Name")).to_be_visible()


def test_another_account_takes_the_place_of_the_first(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE)
    page = opened("ada")
    shows(page, "A1")
    second = opened("ada", "help")
    # As it is where a session began in another tab that this one knows nothing of.
    second.evaluate("channel = new BroadcastChannel('cargosight-session')")
    second.evaluate("channel.postMessage({kind: 'in', name: 'ben'})")
    expect(page.locator("main")).to_contain_text("ben is signed in in another tab")


def test_nothing_is_decided_in_the_name_of_another(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE)
    page = opened("ada")
    shows(page, "A1")
    service.sessions["of-ada"] = "ben"  # the cookie is ben's now, and nobody has told this tab
    page.keyboard.press("c")
    expect(page.locator("main")).to_contain_text("ben is signed in in another tab")
    assert service.records == []


def post(page: Page, message: str) -> None:
    """Tell the other tabs what a tab of the session tells them."""
    page.evaluate(f"(new BroadcastChannel('cargosight-session')).postMessage({message})")


WAITS = ("/view", "/decisions")
"""Where a decision is while somebody else signs in: it waits for what is recorded before it, or is on its way."""


@pytest.mark.parametrize("part", WAITS)
def test_a_decision_under_way_is_not_sent_in_the_name_of_another(
    opened: Opener, service: FakeService, part: str
) -> None:
    service.arrive("A1", PICTURE)
    other = opened("ada", "help")
    gate = service.hold(part)
    page = opened("ada")
    shows(page, "A1")
    page.keyboard.press("c")
    until(lambda: any(part in path for path in service.waited))
    post(other, "{kind: 'in', name: 'ben'}")
    expect(page.locator("main")).to_contain_text("ben is signed in in another tab")
    service.sessions["of-ada"] = "ben"
    asked = service.requests.count("GET /me")
    gate.set()
    until(lambda: service.requests.count("GET /me") > asked)  # the page learns whose session it is
    sign_in(page, "ada")
    until(lambda: service.records)
    assert [record["by"] for record in service.records] == ["ada"]


@pytest.mark.parametrize("part", WAITS)
def test_a_decision_that_was_given_up_is_not_sent(opened: Opener, service: FakeService, part: str) -> None:
    service.arrive("A1", PICTURE)
    other = opened("ada", "help")
    gate = service.hold(part)
    page = opened("ada")
    shows(page, "A1")
    page.keyboard.press("c")
    until(lambda: any(part in path for path in service.waited))
    service.sessions["of-ada"] = "ben"
    post(other, "{kind: 'out', name: 'ada', onPurpose: true}")
    expect(page.locator("main")).to_contain_text("You have signed out in another tab")
    asked = service.requests.count("GET /me")
    gate.set()
    until(lambda: service.requests.count("GET /me") > asked)
    sign_in(page, "ada")
    shows(page, "A1")  # undecided, as the service knows it
    assert service.records == []


def test_what_was_not_saved_is_gone_after_signing_out(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE)
    page, other = opened("ada"), opened("ada", "help")
    expect(other.get_by_role("heading", level=1)).to_have_text("Help")
    shows(page, "A1")
    service.refused = {"/decisions": 1000}
    page.keyboard.press("c")
    expect(page.locator(".decision-facts")).to_contain_text("Not saved yet")
    leave(page)
    expect(page.get_by_role("dialog")).to_contain_text("1 entry is not saved yet. Signing out gives it up")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".decision-facts")).to_contain_text("Not saved yet")
    assert "A1" in page.inner_text(".scan-name") and page.evaluate(KEPT)
    leave(page)
    page.get_by_role("button", name="Sign out and give it up").click()
    for each in (page, other):
        expect(each.get_by_label("Name")).to_be_visible()
        assert each.evaluate(KEPT) is None
    asked = len(service.bodies)
    service.refused = {}
    sign_in(page, "ada")
    shows(page, "A1")  # undecided, as the service knows it
    assert service.records == []
    assert not any(path.endswith("/decisions") for path, _ in service.bodies[asked:])


def test_what_was_not_saved_outlives_a_session_that_ends(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE)
    page = opened("ada")
    shows(page, "A1")
    service.refused = {"/decisions": 1000}
    page.keyboard.press("c")
    expect(page.locator(".decision-facts")).to_contain_text("Not saved yet")
    service.sessions.clear()
    service.drop_streams()
    expect(page.locator("main")).to_contain_text("1 entry of somebody is not saved yet")
    service.refused = {}
    sign_in(page, "ada")
    until(lambda: [record["by"] for record in service.records] == ["ada"])


def go(page: Page, path: str) -> None:
    page.goto(f"{page.url.split('#')[0]}#/{path}")


def test_a_lane_that_was_added_since_signing_in_opens(opened: Opener, service: FakeService) -> None:
    page = opened("ada", "help")
    expect(page.get_by_role("heading", level=1)).to_have_text("Help")
    service.lanes.append("lane-2")
    go(page, "lane/lane-2")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lane lane-2")
    expect(page.get_by_role("navigation").get_by_role("link", name="Lane 2")).to_be_visible()
    expect(page.locator(".notice")).to_have_count(0)


def test_a_lane_that_cannot_be_asked_for_is_not_called_absent(opened: Opener, service: FakeService) -> None:
    page = opened("ada", "help")
    expect(page.get_by_role("heading", level=1)).to_have_text("Help")
    service.lanes.append("lane-2")
    service.refused = {"/lanes": 1}
    go(page, "lane/lane-2")
    expect(page.locator(".notice")).to_contain_text("the database does not take it now")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lane lane-1")


def test_a_lane_that_is_no_longer_ones_own_leads_home(opened: Opener, service: FakeService) -> None:
    page = opened("ada", "lane/lane-9")
    expect(page.locator(".notice")).to_have_text("There is no lane lane-9 that you may see.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lane lane-1")
