"""The console's other pages in a browser: signing in, supervision, report, engineering, administration, help."""

from typing import Any

import pytest

from tests.made import scans
from tests.made.browser import browser
from tests.made.console_pages import Opener, desks, opened, service, shows, sign_in
from tests.made.fake_service import FakeService

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: no page is tested")
from playwright.sync_api import Page, expect

__all__ = ["browser", "desks", "opened", "service"]

KNIFE = ("knife", 0.81, [40.0, 30.0, 90.0, 60.0])
PICTURE = scans.scan("pseudocolour")
SIZES = ((1366, 768), (1920, 1080), (3840, 2160))


def referred(service: FakeService) -> int:
    scan = service.arrive("MSKU 4802913", PICTURE, findings=[KNIFE])
    service.decide("ada", scan, "refer")
    return scan


def test_signing_in(opened: Opener, service: FakeService) -> None:
    page = opened(None)
    expect(page.get_by_label("Name")).to_be_focused()
    sign_in(page, "ada", "wrong")
    expect(page.get_by_role("alert")).to_have_text("no account that can sign in has this name and password")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    sign_in(page, "ada")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lane lane-1")
    assert page.title() == "Lane · lane-1 · cargosight"
    page.get_by_role("button", name="ada, Operator").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Name")).to_be_visible()


def test_a_password_of_somebody_else_has_to_be_changed(opened: Opener, service: FakeService) -> None:
    service.accounts["ada"]["must_change_password"] = True
    page = opened(None, "help")
    sign_in(page, "ada")
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose your own password")
    page.get_by_label("New password", exact=False).first.fill("battery staple")
    page.get_by_label("New password once more").fill("battery stable")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The two new passwords differ.")
    page.get_by_label("New password once more").fill("battery staple")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Help")
    assert service.passwords["ada"] == "battery staple"


def test_rates_show_counts_and_a_session_that_ends_leads_back(opened: Opener, service: FakeService) -> None:
    page = opened("supervisor", "supervisor/rates")
    lanes = page.get_by_role("region", name="Lanes")
    expect(lanes.locator("tbody tr")).to_contain_text(["Lane 141238 9.2%39837 9.3%"])
    expect(lanes).to_contain_text("median 6.2 s, nine in ten within 14.8 s")
    expect(page.get_by_role("region", name="Operators").locator("tbody tr")).to_have_count(2)
    service.sessions.clear()
    page.get_by_role("link", name="Search").click()
    sign_in(page, "supervisor")
    expect(page.get_by_role("button", name="Search")).to_be_visible()


def test_a_secondary_inspection_is_recorded(opened: Opener, service: FakeService) -> None:
    scan = referred(service)
    page = opened("supervisor")
    page.get_by_role("link", name="Supervision").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("1 open referral")
    expect(page.locator(".referral")).to_contain_text("Referred by ada")
    page.get_by_role("button", name="Record what was found").click()
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("Choose what was found, or that nothing was.")
    page.get_by_label("knife").check()
    page.get_by_label("Something else").fill("cash, two phones")
    page.get_by_label("Note").fill("under the lining")
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.locator(".nothing")).to_have_text("No referral waits for its secondary inspection.")
    assert service.scans[scan]["secondary"]["found"] == ["knife", "cash", "two phones"]


def test_a_supervisor_overrides_looks_and_searches(opened: Opener, service: FakeService) -> None:
    scan = referred(service)
    page = opened("supervisor", f"scan/{scan}")
    expect(page.locator(".finding-name")).to_have_text("knife")
    page.get_by_role("button", name="Clear it after all").click()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator(".story-list")).to_contain_text("Overridden: Clear")
    assert service.records[-1]["reason"] == "A false alarm of the system"
    page.goto(page.url.split("#")[0] + "#/supervisor/search")
    page.get_by_label("Number").fill("4802913")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="scan")).to_have_text("1 scan")
    page.get_by_role("link", name="MSKU 4802913").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("MSKU 4802913")


def test_a_scan_of_a_lane_that_was_removed_is_looked_at(opened: Opener, service: FakeService) -> None:
    scan = referred(service)
    service.scans[scan]["lane"] = "old-1"
    page = opened("supervisor", f"scan/{scan}")
    expect(page.locator(".scan-story")).to_contain_text("The lane old-1 is in the settings no more")
    expect(page.locator(".finding-name")).to_have_text("knife")
    expect(page.get_by_role("button", name="Clear it after all")).to_have_count(0)
    expect(page.locator(".finding-verdicts")).to_have_count(0)
    expect(page.locator(".findings-head .button")).to_be_hidden()
    page.locator(".finding").click()
    for key in "kbn":
        page.keyboard.press(key)
    expect(page.locator(".findings-head [aria-pressed=true]")).to_have_count(0)
    assert not any(path.endswith("/marks") for path, _ in service.bodies)
    page.get_by_role("link", name="Report").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("MSKU 4802913")
    expect(page.locator("main")).to_contain_text("The lane old-1 is in the settings no more")
    expect(page.locator("[aria-label=Findings].report-part")).to_contain_text("knife")


def test_a_scan_of_a_lane_that_was_added_since_signing_in_can_be_acted_on(
    opened: Opener, service: FakeService
) -> None:
    scan = referred(service)
    page = opened("supervisor", "help")
    expect(page.get_by_role("heading", level=1)).to_have_text("Help")
    service.lanes.append("lane-2")
    service.scans[scan]["lane"] = "lane-2"
    page.goto(f"{page.url.split('#')[0]}#/scan/{scan}")
    expect(page.get_by_role("button", name="Clear it after all")).to_be_visible()
    assert "in the settings no more" not in page.inner_text(".scan-story")


def test_the_report_tells_the_whole_story_and_prints(opened: Opener, service: FakeService) -> None:
    scan = referred(service)
    page = opened("supervisor", f"report/{scan}")
    expect(page.get_by_role("heading", level=1)).to_have_text("MSKU 4802913")
    expect(page.locator("[aria-label=Story] tbody tr").first).to_contain_text("decision")
    expect(page.locator("[aria-label=Findings].report-part")).to_contain_text("knife")
    width = page.locator(".report-picture img").evaluate(
        "async (image) => { await image.decode(); return image.naturalWidth; }"
    )
    assert width == service.scans[scan]["width"]
    page.emulate_media(media="print")
    for part in (".bar", ".report-actions"):
        expect(page.locator(part).first).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(prefer_css_page_size=True)[:5] == b"%PDF-"


def test_what_should_be_seen_to_is_told_although_the_service_is_ready(
    opened: Opener, service: FakeService
) -> None:
    service.warnings.append("lane bay-1: bag.json in the watched folder belongs to no scan")
    page = opened("engineer")
    expect(page.locator(".health")).to_contain_text("Ready")
    expect(page.locator(".health li")).to_have_text(service.warnings)


def test_an_engineer_changes_the_model(opened: Opener, service: FakeService) -> None:
    page = opened("engineer")
    expect(page.locator(".health")).to_have_text("Ready")
    page.get_by_role("button", name="Change model").click()
    page.get_by_role("combobox", name="Model").select_option("container")
    page.get_by_role("button", name="Load, test and change").click()
    expect(page.get_by_role("alert")).to_contain_text("the present model stays")
    page.get_by_role("combobox", name="Model").select_option("baggage")
    page.get_by_label("Operating point").select_option("pfa=0.01")
    page.get_by_role("button", name="Load, test and change").click()
    expect(page.locator(".outcome")).to_contain_text("Lane 1 is now inspected by baggage at pfa=0.01")
    service.arrive("A1", PICTURE)
    page.get_by_role("link", name="Lane 1").click()
    expect(page.locator(".scan-name")).to_have_text("A1")
    expect(page.locator(".button.big")).to_have_count(0)


def test_secrets_are_shown_once(opened: Opener, service: FakeService) -> None:
    page = opened("administrator")
    page.get_by_role("button", name="New account").click()
    page.get_by_label("Name").fill("cleo")
    page.get_by_label("Lane 1").check()
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("dialog")).to_contain_text("ab12-cd34-ef56-7890")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="I have noted it").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert "ab12" not in (page.locator("body").text_content() or "")
    assert service.accounts["cleo"]["lanes"] == ["lane-1"]
    page.get_by_role("button", name="Disable: ben").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(page.get_by_role("button", name="Enable: ben")).to_be_visible()
    page.get_by_role("link", name="Machine tokens").click()
    page.get_by_role("button", name="New token").click()
    page.get_by_label("Name").fill("scanner 1")
    page.get_by_role("button", name="Make the token").click()
    expect(page.get_by_role("dialog")).to_contain_text("cst_only-once")
    page.get_by_role("button", name="I have noted it").click()
    page.get_by_role("button", name="Revoke: scanner 1").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.locator("tbody tr")).to_contain_text("Revoked")


def test_the_audit_is_listed_and_verified(opened: Opener, service: FakeService) -> None:
    for _ in range(130):
        service.arrive("A", None)
        service.decide("ada", len(service.scans), "refer")
    page = opened("administrator", "administrator/audit")
    expect(page.locator("tbody tr").first.locator("th")).to_have_text("130")
    page.get_by_role("button", name="Older").click()
    expect(page.locator("tbody tr").last.locator("th")).to_have_text("1")
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.get_by_role("status").filter(has_text="records")).to_contain_text("130 records, none changed")
    assert (
        page.get_by_role("link", name="Export as CSV").get_attribute("href")
        == "/api/v1/audit/export?format=csv"
    )


def test_what_a_person_chose_is_remembered(opened: Opener, service: FakeService) -> None:
    page = opened("ada", "help", scheme="dark")
    expect(page.get_by_role("heading", level=1)).to_have_text("Help")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Switch to the light display").click()
    assert page.evaluate(ground) != dark
    page.get_by_role("button", name="ada, Operator").click()
    page.get_by_label("Single keys act").uncheck()
    page.get_by_role("button", name="Done").click()
    page.reload()
    expect(page.get_by_role("button", name="Switch to the dark display")).to_be_visible()
    service.arrive("A1", PICTURE)
    page.get_by_role("link", name="Lane 1").click()
    shows(page, "A1")
    page.keyboard.press("r")
    assert page.get_by_role("dialog").count() == 0
    page.get_by_role("button", name="Refer R").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_the_picture_has_most_of_the_room(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE, findings=[KNIFE])
    page = opened()
    shows(page, "A1")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        box = page.locator(".viewer").bounding_box()
        assert box
        assert box["width"] * box["height"] > 0.55 * width * height
        for button in page.locator(".button.big").all():
            place = button.bounding_box()
            assert place
            assert place["y"] + place["height"] <= height


PAGES: list[tuple[str, str]] = [
    ("ada", "lane/lane-1"),
    ("supervisor", "supervisor/referrals"),
    ("supervisor", "supervisor/rates"),
    ("supervisor", "supervisor/search"),
    ("supervisor", "scan/1"),
    ("supervisor", "report/1"),
    ("engineer", "engineer"),
    ("administrator", "administrator/accounts"),
    ("administrator", "administrator/tokens"),
    ("administrator", "administrator/audit"),
    ("ada", "help"),
]


def test_every_page_can_be_used_by_everybody(opened: Opener, service: FakeService) -> None:
    referred(service)
    service.arrive("A2", PICTURE, findings=[KNIFE])
    page = None
    for name in dict.fromkeys(name for name, _ in PAGES):
        page = opened(name, instead=page)
        for path in [path for who, path in PAGES if who == name]:
            page.goto(page.url.split("#")[0] + f"#/{path}")
            expect(page.locator("main h1").first).to_be_attached()
            page.locator("[aria-busy]").first.wait_for(state="detached")
            assert {path: faults(page)} == {path: []}
            page.set_viewport_size({"width": 360, "height": 740})  # as a strong zoom makes it
            assert {path: page.evaluate("document.documentElement.scrollWidth")} == {path: 360}
            page.set_viewport_size({"width": 1366, "height": 768})


def test_tab_goes_through_the_lane_in_the_order_that_is_seen(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE, findings=[KNIFE])
    page = opened()
    expect(page.locator(".finding")).to_be_visible()
    seen: list[str] = []
    while seen.count("skip") < 2:
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED))
        assert len(seen) < 80, seen
    seen = seen[seen.index("skip") :]
    wanted = ["skip", "brand", "bar-link", "tool", "viewer", "finding", "button big"]
    places = [next(place for place, name in enumerate(seen) if name.startswith(each)) for each in wanted]
    assert places == sorted(places), seen
    assert all(outline for outline in page.evaluate(OUTLINES)), "a focus that nobody sees"


FOCUSED = "document.activeElement.className"
OUTLINES = """[...document.querySelectorAll('a, button, .viewer, summary')].map((each) => {
  if (!each.checkVisibility()) return true;
  each.focus({focusVisible: true});
  return getComputedStyle(each).outlineStyle !== 'none';
})"""


def faults(page: Page) -> list[Any]:
    """What people who listen, do not see well or have no mouse would stumble over."""
    return page.evaluate(
        """() => {
          const found = [];
          const seen = (each) => each.checkVisibility({visibilityProperty: true, opacityProperty: true});
          const name = (each) => (
            each.getAttribute('aria-label') ?? each.labels?.[0]?.textContent ?? each.textContent ?? '');
          for (const each of document.querySelectorAll('a, button, input, select, textarea, summary')) {
            if (!seen(each) || each.closest('.hidden-text, .skip')) continue;
            if (!name(each).trim()) found.push(`no name: ${each.outerHTML.slice(0, 80)}`);
            const inText = each.tagName === 'A' && !each.className;
            const target = each.closest('label') ?? each;
            const {width, height} = target.getBoundingClientRect();
            if (!inText && (width < 24 || height < 24)) {
              found.push(`small ${width}x${height}: ${each.outerHTML.slice(0, 80)}`);
            }
            const label = each.getAttribute('aria-label');
            const text = each.textContent.trim();
            if (label && text && each.matches('button.button:not([data-kind=quiet])') && !label.startsWith(text)) {
              found.push(`label ${label} does not begin with ${text}`);
            }
          }
          const ids = [...document.querySelectorAll('[id]')].map((each) => each.id);
          if (new Set(ids).size < ids.length) found.push('an id twice');
          if (!document.documentElement.lang) found.push('no language');
          for (const part of ['main', 'header', 'nav']) if (!document.querySelector(part)) found.push(`no ${part}`);
          if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
          let before = 1;
          for (const heading of document.querySelectorAll('h1, h2, h3')) {
            const level = Number(heading.tagName[1]);
            if (seen(heading) && level > before + 1) found.push(`h${level} after h${before}: ${heading.textContent}`);
            before = level;
          }
          for (const image of document.images) if (image.alt === null) found.push('an image without words');
          const raw = /\\b[a-z]+\\.[a-z_]+\\.(one|other)\\b|undefined|\\[object/;
          if (raw.test(document.body.textContent)) found.push('raw text');
          return found;
        }"""
    )
