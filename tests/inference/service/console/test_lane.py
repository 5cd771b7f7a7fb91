"""The lane view as an operator uses it: scans that appear, decisions, faults of the network."""

import re
import time

import pytest

from tests.made import scans
from tests.made.browser import browser
from tests.made.console_pages import Opener, desks, opened, service, shows
from tests.made.fake_service import FakeService
from tests.made.waiting import until

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: no page is tested")
from playwright.sync_api import expect

__all__ = ["browser", "desks", "opened", "service"]

KNIFE = ("knife", 0.81, [40.0, 30.0, 90.0, 60.0])
PICTURE = scans.scan("transmission")
PRESSED_AT_ONCE = """() => {
  const watch = new MutationObserver(() => {
    if (!/\\d/.test(document.querySelector('.timer')?.textContent ?? '')) return;
    watch.disconnect();
    document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'c', code: 'KeyC', bubbles: true}));
    window.pressedAtOnce = true;
  });
  watch.observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
"""The key to clear, pressed by the page itself in the moment in which the time of deciding begins, however busy."""


def decisions(service: FakeService) -> list[dict[str, object]]:
    return [body for path, body in service.bodies if path.endswith("/decisions")]


def test_a_scan_appears_by_itself_within_300_ms(opened: Opener, service: FakeService) -> None:
    page = opened()
    expect(page.locator(".stage-title")).to_have_text("No scan to decide")
    expect(page.locator("[data-part=connection]")).to_have_text("Live")
    page.evaluate(
        "seen = {}; new MutationObserver(() => { const name = document.querySelector('.scan-name').textContent;"
        "if (document.querySelector('.timer').textContent) seen[name] ??= Date.now(); })"
        ".observe(document.querySelector('.side'), {subtree: true, childList: true, characterData: true})"
    )
    waits = []
    for number in ("A1", "A2"):
        begun = time.time() * 1000
        service.arrive(number, PICTURE)
        shows(page, number)
        waits.append(page.evaluate(f"seen.{number}") - begun)
        page.keyboard.press("c")
        expect(page.locator(".stage-title")).to_have_text("No scan to decide")
    assert min(waits) < 300, waits
    expect(page.locator(".strip [data-part=previous] li")).to_have_count(2)
    # While one is undecided, others queue.
    service.arrive("A3", PICTURE)
    shows(page, "A3")
    service.arrive("A4", PICTURE)
    expect(page.locator("[data-part=waiting] .strip-name")).to_have_text("A4")
    expect(page.locator("[data-part=queue]")).to_have_text("2 to decide")
    expect(page.locator(".scan-name")).to_have_text("A3")
    page.keyboard.press("c")
    expect(page.locator(".scan-name")).to_have_text("A4")
    assert [body["decision"] for body in decisions(service)] == ["clear"] * 3


def test_nothing_is_decided_by_accident(opened: Opener, service: FakeService) -> None:
    page = opened()
    page.evaluate(PRESSED_AT_ONCE)
    service.arrive("A1", PICTURE)
    until(lambda: page.evaluate("window.pressedAtOnce === true"))
    page.wait_for_timeout(450)
    for key in ("Control+c", "Alt+c", "Meta+c", "Shift+c"):
        page.keyboard.press(key)
    page.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'c', repeat: true, bubbles: true}))"
    )
    page.locator(".button.big[data-tone=clear]").focus()
    page.evaluate(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', "
        "{key: 'Enter', repeat: true, bubbles: true, cancelable: true}))"
    )
    page.keyboard.press("r")
    page.get_by_label("Note").fill("c")
    page.keyboard.type("ccc")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert decisions(service) == []
    page.evaluate(  # as a keyboard for Cyrillic has it
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '\\u0441', code: 'KeyC', bubbles: true}))"
    )
    until(lambda: len(decisions(service)) == 1)


def test_referring_with_keys_alone(opened: Opener, service: FakeService) -> None:
    scan = service.arrive("A1", PICTURE, findings=[KNIFE])
    page = opened()
    shows(page, "A1")
    page.keyboard.press("r")
    expect(page.get_by_role("dialog")).to_contain_text("Refer A1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Choose a reason.")
    page.keyboard.press("2")
    page.get_by_label("Note").focus()
    page.keyboard.type("beside the laptop 1")
    page.keyboard.press("Enter")
    expect(page.locator(".undo-bar")).to_contain_text("A1Referred")
    (body,) = decisions(service)
    assert body["reason"] == "Something the system did not mark"
    assert body["note"] == "beside the laptop 1"
    assert (body["inspection"], body["after"]) == (100 + scan, 0)
    assert 0.4 < float(str(body["seconds"])) < 30
    page.keyboard.press("u")
    shows(page, "A1")
    until(lambda: [record["kind"] for record in service.records] == ["decision", "undo"])
    page.keyboard.press("r")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    until(lambda: len(decisions(service)) == 2)
    assert decisions(service)[1]["after"] == 2


def test_clearing_against_the_advice_asks_why(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE, findings=[KNIFE])
    service.arrive("A2", problem="the file is no image")
    page = opened()
    shows(page, "A1")
    page.keyboard.press("c")
    expect(page.get_by_role("dialog")).to_contain_text("The advice is to refer this scan.")
    page.keyboard.press("5")
    page.get_by_label("The reason in your words").fill("a butter knife")
    page.keyboard.press("Enter")
    expect(page.locator(".scan-name")).to_have_text("A2")
    expect(page.locator(".stage-message")).to_contain_text("the file is no image")
    page.wait_for_timeout(450)
    page.locator(".button.big[data-tone=clear]").click()
    expect(page.get_by_role("dialog")).to_contain_text("This scan could not be read.")
    assert [body["reason"] for body in decisions(service)] == ["a butter knife"]


def test_late_findings_come_without_moving_the_picture(opened: Opener, service: FakeService) -> None:
    scan = service.arrive("A1", PICTURE, overdue=True)
    page = opened()
    shows(page, "A1")
    expect(page.locator(".advice")).to_contain_text("Shown by its deadline, without findings")
    fitting = page.locator(".zoom").text_content()
    page.keyboard.press("+")
    expect(page.locator(".zoom")).not_to_have_text(fitting or "")
    zoom = page.locator(".zoom").text_content()
    service.inspect(scan, KNIFE)
    expect(page.locator(".finding-name")).to_have_text("knife")
    expect(page.locator(".advice")).to_contain_text("Late")
    assert page.locator(".zoom").text_content() == zoom
    page.keyboard.press("r")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    until(lambda: len(decisions(service)) == 1)

    # Those of a scan that was cleared meanwhile are not left to the strip.
    scan = service.arrive("A2", PICTURE, overdue=True)
    shows(page, "A2")
    page.keyboard.press("c")
    expect(page.locator(".undo-bar")).to_be_visible()
    service.inspect(scan, KNIFE)
    expect(page.locator(".notice")).to_contain_text("late findings came after you cleared it")
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.locator(".decision-facts")).to_contain_text("Cleared")


def test_another_person_was_faster(opened: Opener, service: FakeService) -> None:
    scan = service.arrive("A1", PICTURE)
    service.arrive("A2", PICTURE)
    page = opened()
    shows(page, "A1")
    service.silent = True
    service.decide("ben", scan, "refer")
    page.keyboard.press("c")
    expect(page.locator(".notice")).to_contain_text(re.compile("A1 was decided meanwhile by ben: Refer"))
    expect(page.locator(".scan-name")).to_have_text("A2")
    assert [record["by"] for record in service.records] == ["ben"]


def test_a_decision_survives_a_lost_answer_and_is_recorded_once(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE)
    page = opened()
    expect(page.locator(".scan-name")).to_have_text("A1")
    page.evaluate("document.querySelector('[role=status].hidden-text').dataset.kept = ''")
    page.evaluate(
        "heard = []; new MutationObserver(() => heard.push(document.querySelector('[data-kept]').textContent))"
        ".observe(document.querySelector('[data-kept]'), {childList: true})"
    )
    shows(page, "A1")
    service.silent = True
    service.lost = {"/decisions": 1}
    service.refused = {"/decisions": 1}
    page.keyboard.press("c")
    expect(page.locator(".decision-facts")).to_contain_text("Not saved yet")
    expect(page.locator("[data-part=outbox]")).to_have_text("1 not saved yet")
    assert not any("saved for" in text for text in page.evaluate("heard"))
    page.keyboard.press("c")
    page.keyboard.press("r")
    expect(page.locator(".undo-bar")).to_contain_text("A1Cleared")
    until(lambda: any("saved for" in text for text in page.evaluate("heard")))
    assert len({body["request_id"] for body in decisions(service)}) == 1
    assert len(service.records) == 1


def test_a_decision_survives_loading_the_page_anew(opened: Opener, service: FakeService) -> None:
    service.arrive("A1", PICTURE)
    page = opened()
    shows(page, "A1")
    service.refused = {"/decisions": 1000}
    page.keyboard.press("c")
    expect(page.locator(".decision-facts")).to_contain_text("Not saved yet")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.locator(".decision-facts")).to_contain_text("Not saved yet")
    service.refused = {}
    until(lambda: len(service.records) == 1)
    expect(page.locator("[data-part=outbox]")).to_be_hidden()
    assert service.records[0]["decision"] == "clear"


def test_no_scan_is_missed_when_the_stream_breaks(opened: Opener, service: FakeService) -> None:
    page = opened()
    expect(page.locator("[data-part=connection]")).to_have_text("Live")
    service.drop_streams()
    expect(page.locator("[data-part=connection]")).to_have_text("No connection")
    service.arrive("A1", PICTURE, event=False)
    shows(page, "A1")
    until(lambda: service.streams == 2)


def test_a_stream_that_falls_silent_is_opened_anew_behind_the_last_event(
    opened: Opener, service: FakeService
) -> None:
    page = opened(path="help")
    service.arrive("A1", PICTURE)
    service.beat = 0.05
    page.evaluate(
        """async () => {
          const {EventStream} = await import('/js/event_stream.js');
          window.told = [];
          window.stream = new EventStream({
            lane: 'lane-1', silenceMs: 250, onOpen() {},
            onEvent: (kind, data) => told.push(data.number), onState: (state) => told.push(state),
          });
          stream.start();
        }"""
    )
    until(lambda: "live" in page.evaluate("told"))
    page.wait_for_timeout(400)
    assert "lost" not in page.evaluate("told")  # comment lines are life enough
    service.silent = True
    until(lambda: "lost" in page.evaluate("told"))
    service.arrive("A2", PICTURE)
    service.silent = False
    until(lambda: "A2" in page.evaluate("told"))
    assert page.evaluate("told.filter((each) => each === 'A1').length") == 0
    page.evaluate("stream.stop()")


def test_a_second_person_confirms(opened: Opener, service: FakeService) -> None:
    service.second_person = True
    service.arrive("A1", PICTURE)
    ada = opened("ada")
    shows(ada, "A1")
    ada.keyboard.press("c")
    expect(ada.locator(".strip")).to_contain_text("A1")
    ben = opened("ben")
    shows(ben, "A1")
    expect(ben.locator(".decision")).to_contain_text("Cleared by ada")
    ben.keyboard.press("d")
    ben.get_by_label("Note").fill("look at the lining")
    ben.keyboard.press("Enter")
    until(lambda: [record["kind"] for record in service.records] == ["decision", "rejection"])
    assert service.records[-1]["note"] == "look at the lining"
    expect(ada.locator(".scan-name")).to_have_text("A1")
    expect(ben.locator(".button.big").first).to_contain_text("Clear")


def test_two_operators_on_one_lane(opened: Opener, service: FakeService) -> None:
    first = service.arrive("A1", PICTURE)
    service.arrive("A2", PICTURE)
    service.arrive("A3", PICTURE)
    service.look("ben", first)
    page = opened("ada")
    shows(page, "A2")
    page.locator(".strip button", has_text="A1").click()
    expect(page.locator(".scan-flags")).to_contain_text("Also looking: ben")
    service.decide("ben", first, "clear")
    expect(page.locator(".notice")).to_contain_text("A1 was decided meanwhile by ben")
    expect(page.locator(".scan-name")).to_have_text("A2")


def test_findings_are_confirmed_rejected_and_drawn(opened: Opener, service: FakeService) -> None:
    scan = service.arrive("A1", PICTURE, findings=[KNIFE, ("gun", 0.55, [100.0, 60.0, 140.0, 90.0])])
    page = opened()
    shows(page, "A1")
    page.keyboard.press(".")
    expect(page.locator(".finding[aria-pressed=true]")).to_contain_text("knife")
    page.keyboard.press("k")
    page.get_by_role("button", name="Reject: 2 gun").click()
    until(lambda: len(service.scans[scan]["marks"]) == 2)
    page.keyboard.press("b")
    box = page.locator(".viewer").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 80, box["y"] + box["height"] / 2 + 60, steps=3)
    page.mouse.up()
    page.get_by_role("dialog").get_by_label("Class").select_option("powerbank")
    page.keyboard.press("Enter")
    until(lambda: len(service.scans[scan]["marks"]) == 3)
    marks = service.scans[scan]["marks"]
    assert [(mark["verdict"], mark["finding"], mark["label"]) for mark in marks] == [
        ("confirmed", 0, "knife"),
        ("rejected", 1, "gun"),
        ("drawn", None, "powerbank"),
    ]
    expect(page.locator(".finding-item[data-verdict=drawn]")).to_contain_text("drawn by ada")


def test_what_is_drawn_may_be_none_of_the_classes(opened: Opener, service: FakeService) -> None:
    scan = service.arrive("A1", PICTURE)
    page = opened()
    shows(page, "A1")
    page.keyboard.press("b")
    for key in ("Enter", *["ArrowRight"] * 4, *["ArrowDown"] * 4, "Enter"):
        page.keyboard.press(key)
    page.get_by_role("dialog").get_by_label("Class").select_option("none of these (unknown)")
    page.keyboard.press("Enter")
    until(lambda: service.scans[scan]["marks"])
    assert service.scans[scan]["marks"][0]["label"] == "unknown"


@pytest.mark.parametrize("before", [True, False], ids=["before the lane view", "after it"])
def test_the_second_screen_follows(opened: Opener, service: FakeService, before: bool) -> None:
    service.arrive("A1", PICTURE)
    service.arrive("A2", PICTURE)
    if before:
        screen = opened(path="screen/lane-1")
        expect(screen.locator(".stage-title")).to_have_text("The lane view is not open")
        page = opened(path="lane/lane-1")
    else:
        page = opened()
        shows(page, "A1")
        screen = opened(path="screen/lane-1")
    expect(screen.locator(".scan-name")).to_have_text("A1")
    page.bring_to_front()
    shows(page, "A1")
    page.keyboard.press("c")
    expect(screen.locator(".scan-name")).to_have_text("A2")
    page.close()
    expect(screen.locator(".stage-title")).to_have_text("The lane view is not open")
