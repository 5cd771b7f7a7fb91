"""What covers what in the lane view, and what is left of it without a graphics card."""

import pytest

from tests.made import scans
from tests.made.browser import browser
from tests.made.console_pages import Opener, desks, opened, service, shows
from tests.made.fake_service import FakeService

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: no page is tested")
from playwright.sync_api import Page, expect

__all__ = ["browser", "desks", "opened", "service"]

PICTURE = scans.scan("transmission")
SIZES = ((1366, 768), (1920, 1080), (3840, 2160))
LABELS = ("knife", "gun", "powerbank", "battery", "scissors", "wrench", "pliers", "hammer")
FINDINGS = [(label, 0.8 - place / 20, [40.0, 30.0, 90.0, 60.0]) for place, label in enumerate(LABELS)]
NO_CARD = """const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (name, ...more) {
  return name === 'webgl2' ? null : get.call(this, name, ...more);
};"""


def sides(page: Page, selector: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right and lower side of every element that is seen."""
    boxes = [each.bounding_box() for each in page.locator(selector).all()]
    assert boxes
    return [(b["x"], b["y"], b["x"] + b["width"], b["y"] + b["height"]) for b in boxes if b]


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_a_message_covers_neither_picture_nor_strip_nor_decision(
    opened: Opener, service: FakeService
) -> None:
    for number in range(3):
        service.decide("ben", service.arrive(f"B{number}", PICTURE), "clear")
    service.arrive("A1", PICTURE)
    service.arrive("A2", PICTURE)
    page = opened()
    shows(page, "A1")
    expect(page.locator(".strip-item")).to_have_count(4)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.keyboard.press("t")
        expect(page.locator(".notice")).to_be_visible()
        (notice,) = sides(page, ".notice")
        for part in (".strip-list", ".viewer", ".button.big", ".finding-list"):
            assert not any(overlap(notice, each) for each in sides(page, part)), (width, part)
        assert notice[0] >= 0 and notice[2] <= width and notice[3] <= height
        page.get_by_role("button", name="Close the message").click()


def test_the_overlay_panel_is_reached_to_its_end(opened: Opener, service: FakeService) -> None:
    service.arrive("A0", PICTURE)
    service.arrive("A1", PICTURE, findings=FINDINGS)
    page = opened()
    shows(page, "A0")
    page.keyboard.press("c")  # then there is something to undo, too
    shows(page, "A1")
    page.locator("summary").click()
    expect(page.locator(".undo-bar")).to_be_visible()
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        last = page.locator(".overlay-classes .choice").last
        last.scroll_into_view_if_needed()
        (row,) = sides(page, ".overlay-classes .choice >> nth=-1")
        (panel,) = sides(page, ".overlay-panel")
        assert panel[1] <= row[1] and row[3] <= panel[3] + 1, width
        last.click()
        for button in sides(page, ".button.big"):
            assert button[3] <= height
            assert not overlap(row, button)
    expect(page.locator(".overlay-panel output")).to_contain_text("7 of 8 findings")


def without_card(opened: Opener) -> Page:
    """Open the lane view; the page is to be closed, as what takes the card away stays with it."""
    page = opened("ada", "help")
    page.add_init_script(NO_CARD)
    page.reload()
    page.goto(page.url.split("#")[0] + "#/lane/lane-1")
    return page


def test_without_a_graphics_card_nothing_is_loaded_that_only_it_draws(
    opened: Opener, service: FakeService
) -> None:
    maps = {"opaque": {"width": 20, "height": 15, "cell": 8}}
    for number in ("A1", "A2"):  # the second is the next, which is made ready
        service.arrive(number, scans.scan("display_grey", height=700, width=1300), maps=maps)
    page = without_card(opened)
    shows(page, "A1")
    page.keyboard.press("c")
    shows(page, "A2")
    loaded = [line.split("/")[2] for line in service.requests if "/tiles/" in line or "/maps/" in line]
    assert len(loaded) == len(set(loaded)), loaded  # the strip draws one tile of a scan
    page.close()


def test_without_a_graphics_card_the_service_draws(opened: Opener, service: FakeService) -> None:
    late = service.arrive("A1", PICTURE, overdue=True)
    page = without_card(opened)
    caption = page.locator(".plain-picture figcaption")
    expect(caption).to_contain_text("gives no WebGL2")
    expect(caption).to_contain_text("as soon as the scan is inspected")
    page.keyboard.press("c")  # nobody clears what is not in sight
    service.inspect(late)
    expect(caption).to_contain_text("with the findings of the latest inspection")
    assert page.evaluate("document.querySelector('.plain-picture img').naturalWidth") > 0
    expect(page.locator(".tool-row")).to_be_hidden()
    expect(page.locator(".overlay-panel")).to_be_hidden()
    expect(page.get_by_role("button", name="Draw missed")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("b")
    expect(page.locator(".notice")).to_have_text("There is no picture to draw in.")
    assert service.records == []
    shows(page, "A1")
    page.keyboard.press("c")
    expect(page.locator(".stage-title")).to_have_text("No scan to decide")
    assert [record["decision"] for record in service.records] == ["clear"]
    page.close()
