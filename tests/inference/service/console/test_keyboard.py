"""The lane view by keyboard alone: keys do not wait for the picture to have the focus, and say why they do nothing."""

import pytest

from tests.made import scans
from tests.made.browser import browser
from tests.made.console_pages import Opener, desks, opened, service, shows
from tests.made.fake_service import FakeService

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: no page is tested")
from playwright.sync_api import Page, expect

__all__ = ["browser", "desks", "opened", "service"]

PICTURE = scans.scan("transmission")
KNIFE = ("knife", 0.81, [40.0, 30.0, 90.0, 60.0])
HEARD = """heard = [];
new MutationObserver(() => heard.push(document.querySelector('#app > [role=status]').textContent))
.observe(document.querySelector('#app > [role=status]'), {childList: true})"""
FOCUSED = "document.activeElement.className || document.activeElement.tagName"
CENTRE = "(() => { const box = document.querySelector('.viewer-box rect').getBoundingClientRect(); return box.x; })()"


def place_of_box(page: Page) -> float:
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return float(page.evaluate(CENTRE))


def test_arrows_work_wherever_no_control_has_a_use_for_them(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE, findings=[KNIFE])
    page = opened()
    shows(page, "A1")
    expect(page.locator(".viewer-box")).to_have_count(1)
    assert page.evaluate(FOCUSED) == "hidden-text"  # the page's title
    page.keyboard.press("a")
    for focus in ("h1", "#main", "body", ".button.big", ".finding"):
        page.evaluate(f"document.activeElement.blur(); document.querySelector('{focus}').focus()")
        before = place_of_box(page)
        page.keyboard.press("ArrowRight")
        assert place_of_box(page) < before, focus
        page.keyboard.press("ArrowLeft")
        assert place_of_box(page) == pytest.approx(before), focus
    page.locator("h1").focus()
    page.keyboard.press("Shift+ArrowUp")
    expect(page.locator(".standard")).to_have_text("On: Window")
    page.keyboard.press("0")
    # A toolbar, a slider and a dialog keep their arrows.
    before = place_of_box(page)
    page.locator(".tool-row .tool").first.focus()
    page.keyboard.press("ArrowRight")
    page.locator("summary").click()
    page.get_by_label("Which alarms would one threshold give?").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("r")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert place_of_box(page) == pytest.approx(before)


def test_a_missed_item_is_drawn_without_a_mouse(opened: Opener, service: FakeService) -> None:
    scan = service.arrive("A1", PICTURE)
    page = opened()
    shows(page, "A1")
    page.evaluate(HEARD)
    draw = page.get_by_role("button", name="Draw missed")
    page.keyboard.press("b")
    assert page.evaluate(FOCUSED) == "viewer"
    expect(draw).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("heard.at(-1)").startswith("Draw a box around what was missed")
    page.keyboard.press("b")
    expect(draw).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Shift+B")  # no key of the page, and the viewer has none of its own for it here
    page.keyboard.press("f")
    expect(draw).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("b")
    for key in ("Enter", *["ArrowRight"] * 4, *["ArrowDown"] * 4, "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("dialog")).to_contain_text("What did you draw?")
    page.keyboard.press("Enter")
    expect(page.locator(".finding-item[data-verdict=drawn]")).to_be_visible()
    assert [mark["verdict"] for mark in service.scans[scan]["marks"]] == ["drawn"]


def test_without_a_picture_nothing_is_drawn(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", problem="the file is no image")
    page = opened()
    expect(page.locator(".stage-message")).to_contain_text("the file is no image")
    draw = page.get_by_role("button", name="Draw missed")
    expect(draw).to_have_attribute("aria-disabled", "true")
    for act in (lambda: page.keyboard.press("b"), lambda: draw.click(force=True)):
        expect(page.locator(".notice")).to_have_count(0)
        act()
        expect(page.locator(".notice")).to_have_text("There is no picture to draw in.")
        page.get_by_role("button", name="Close the message").click()
    page.keyboard.press("5")
    expect(page.locator(".notice")).to_have_text("There is no picture.")


def test_a_key_that_does_nothing_on_this_scan_says_so(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", scans.scan("display_grey"))
    page = opened()
    shows(page, "A1")
    notice = page.locator(".notice")
    for key, word in (
        ("t", "This scan has no heat map"),
        ("o", "This scan has no map of what could not be penetrated"),
        ("6", "Pseudo-colour needs a scan of two energies"),
        ("7", "Organic strip needs a scan of two energies"),
        ("8", "Metal strip needs a scan of two energies"),
    ):
        page.keyboard.press(key)
        expect(notice).to_have_count(1)
        expect(notice).to_contain_text(word)
        expect(notice).to_have_attribute("data-tone", "note")
