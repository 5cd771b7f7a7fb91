"""The slider of the overlay: which alarms one threshold would give, above and below that of the inspection."""

from typing import TYPE_CHECKING

import pytest

from tests.made import scans
from tests.made.browser import browser
from tests.made.console_pages import Opener, desks, opened, service, shows
from tests.made.fake_service import FakeService

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: no page is tested")
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["browser", "desks", "opened", "service"]

KNIFE = ("knife", 0.81, [40.0, 30.0, 90.0, 60.0])
BELOW = [("handgun", 0.34, [10.0, 70.0, 40.0, 90.0]), ("knife", 0.12, [60.0, 70.0, 80.0, 90.0])]
PICTURE = scans.scan("transmission")


def slide(page: "Page", score: float) -> None:
    page.get_by_label("Which alarms would one threshold give?").fill(str(score))


def boxes(page: "Page", kind: str) -> int:
    return page.locator(f".viewer-box[data-kind={kind}]").count()


def test_the_slider_shows_what_a_lower_threshold_would_give(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE, findings=[KNIFE], below=BELOW)
    page = opened()
    shows(page, "A1")
    expect(page.locator(".viewer-box")).to_have_count(1)
    page.locator(".overlay-panel summary").click()
    said = page.locator(".overlay-panel output")
    expect(said).to_have_text("As inspected: 1 of 1 findings")
    expect(page.get_by_label("Which alarms")).to_have_value("0.5")

    slide(page, 0.3)
    expect(said).to_have_text("0.30: 1 of 1 findings; 1 more would alarm, below the threshold")
    assert (boxes(page, "item"), boxes(page, "below")) == (1, 1)
    frame = page.locator(".viewer-box[data-kind=below] rect").last
    assert frame.get_attribute("stroke-dasharray") not in (None, "none")
    listed = page.locator(".finding-item")
    expect(listed).to_have_count(2)
    expect(listed.nth(1)).to_contain_text("handgun")
    expect(listed.nth(1)).to_contain_text("would alarm, below the threshold")
    expect(listed.nth(1).get_by_role("button")).to_have_count(0)  # nothing to confirm or reject
    expect(page.locator(".overlay-classes label")).to_have_text(["knife", "handgun"])
    # Neither the advice nor its reasons change.
    expect(page.locator(".reasons li")).to_have_text(["knife 0.81"])

    slide(page, 0.02)
    expect(said).to_contain_text("2 more would alarm, below the threshold; below 0.05 nothing was kept")
    slide(page, 0.9)
    expect(said).to_have_text("0.90: 0 of 1 findings; 0 more would alarm, below the threshold")
    expect(listed).to_have_count(1)
    expect(page.locator(".viewer-box")).to_have_count(0)
    page.get_by_role("button", name="As inspected").click()
    expect(said).to_have_text("As inspected: 1 of 1 findings")
    assert (boxes(page, "item"), boxes(page, "below")) == (1, 0)


def test_what_is_listed_below_the_threshold_stays_while_nothing_of_it_changes(
    opened: Opener, service: FakeService
) -> None:
    service.arrive("A1", PICTURE, findings=[KNIFE], below=BELOW)
    page = opened()
    shows(page, "A1")
    page.locator(".overlay-panel summary").click()
    slide(page, 0.3)
    expect(page.locator(".finding-item[data-verdict=below]")).to_have_count(1)
    page.evaluate("listed = document.querySelector('.finding-item[data-verdict=below]')")
    page.keyboard.press(".")
    expect(page.locator(".finding-item .finding[aria-pressed=true]")).to_have_count(1)
    slide(page, 0.2)
    expect(page.locator(".overlay-panel output")).to_contain_text("0.20: 1 of 1 findings; 1 more")
    assert page.evaluate("listed.isConnected")


def test_a_class_that_is_hidden_can_be_shown_again(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE, findings=[KNIFE], below=BELOW)
    page = opened()
    shows(page, "A1")
    page.locator(".overlay-panel summary").click()
    slide(page, 0.3)
    handgun = page.locator(".overlay-classes").get_by_label("handgun")
    for shown in (0, 1):
        handgun.click()
        expect(page.locator(".finding-item[data-verdict=below]")).to_have_count(shown)
        expect(page.locator(".overlay-classes label")).to_have_text(["knife", "handgun"])


def test_marks_stay_on_their_findings(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE, findings=[KNIFE], below=BELOW)
    page = opened()
    shows(page, "A1")
    page.locator(".overlay-panel summary").click()
    slide(page, 0.1)
    expect(page.locator(".finding-item")).to_have_count(3)
    page.get_by_role("button", name="Confirm: 1 knife").click()
    expect(page.locator(".finding-item[data-verdict=confirmed]")).to_have_count(1)
    expect(page.locator(".finding-item[data-verdict=below]")).to_have_count(2)
    (mark,) = [body for path, body in service.bodies if path.endswith("/marks")]
    assert (mark["finding"], mark["verdict"]) == (0, "confirmed")


def test_the_next_scan_shows_its_own_and_a_clear_one_stays_clear(
    opened: Opener, service: FakeService
) -> None:
    service.arrive("A1", PICTURE, findings=[KNIFE], below=BELOW)
    service.arrive("A2", PICTURE, below=BELOW[:1])
    service.arrive("A3", PICTURE, findings=[KNIFE])
    page = opened()
    shows(page, "A1")
    page.locator(".overlay-panel summary").click()
    slide(page, 0.1)
    expect(page.locator(".finding-item[data-verdict=below]")).to_have_count(2)
    page.locator(".strip-name", has_text="A2").click()
    shows(page, "A2")
    expect(page.locator(".finding-item[data-verdict=below]")).to_have_count(1)
    expect(page.locator(".finding-list")).to_contain_text("No findings.")
    expect(page.locator(".advice")).to_contain_text("Clear")
    page.locator(".strip-name", has_text="A3").click()
    shows(page, "A3")
    expect(page.locator(".finding-item[data-verdict=below]")).to_have_count(0)
    expect(page.locator(".overlay-panel output")).to_contain_text("kept nothing below its thresholds")
