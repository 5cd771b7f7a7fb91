"""The console before the real service with the bundled model: from a scan that comes in to the audit chain."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cargosight_inference
from cargosight_inference.benchmark.running_service import Client
from cargosight_inference.service.desk import Desk
from cargosight_inference.service.records import accounts, audit, scans, tokens
from cargosight_inference.service.settings import LaneSettings, ServiceSettings
from tests.made.service import PASSWORD, serving
from tests.made.waiting import until

pytestmark = pytest.mark.acceptance

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is not installed: no page is tested"
)
expect = playwright.expect
SAMPLES = Path(cargosight_inference.__file__).parent / "samples" / "baggage"
GUN = "suitcase-gun-knife.jpg"


@dataclass
class Site:
    """The service with its people, and what a scanner sends to it."""

    desk: Desk
    port: int
    token: str
    pages: list[Any] = field(default_factory=list)

    def send(self, name: str, *, number: str) -> int:
        client = Client(self.port, {"Authorization": f"Bearer {self.token}"})
        content = (SAMPLES / name).read_bytes() if "." in name else _changed(name)
        path = f"/api/v1/lanes/belt-1/scans?name={name}&number={number}"
        status, _, answer = client.request("POST", path, content)
        client.close()
        assert status in (200, 201), answer
        return int(json.loads(answer)["id"])

    def open(self, browser: "Browser", name: str, path: str = "lane/belt-1") -> "Page":
        page = browser.new_context(reduced_motion="reduce").new_page()
        self.pages.append(page)
        page.set_viewport_size({"width": 1366, "height": 768})
        page.set_default_timeout(15000)
        page.goto(f"http://127.0.0.1:{self.port}/#/{path}")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.keyboard.press("Enter")
        return page


def _changed(name: str) -> bytes:
    """Return a clean bag that is no other's bytes: a comment of JPEG holds its name."""
    content = (SAMPLES / "suitcase-clean.jpg").read_bytes()
    note = name.encode()
    return content[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + content[2:]


@pytest.fixture
def site(tmp_path: Path, browser: "Browser") -> Iterator[Site]:
    settings = ServiceSettings(
        data=tmp_path / "data",
        lanes=(LaneSettings(name="belt-1", title="Belt 1", watch=False, threshold=0.6),),
        least_free_mb=0,
    )
    moment = datetime.now(UTC)
    with Desk(settings) as desk:
        with desk.database.writing() as connection:
            for name, role in (
                ("olga", "operator"),
                ("ivan", "operator"),
                ("vera", "supervisor"),
                ("ada", "administrator"),
            ):
                accounts.create(connection, name, role, ["belt-1"], by="admin", moment=moment)  # type: ignore[arg-type]
                accounts.set_password(connection, accounts.named(connection, name), PASSWORD, keep="")
            _, token = tokens.create(
                connection, "scanner 1", "scanner", "belt-1", 1.0, by="admin", moment=moment
            )
        until(lambda: desk.problems() == [])
        with serving(desk) as (port, _):  # type: ignore[arg-type]
            made = Site(desk, port, token)
            yield made
            for page in made.pages:
                page.context.close()


def shows(page: "Page", number: str) -> None:
    """Wait until a scan is the one to decide, and may be decided."""
    expect(page.locator(".scan-name")).to_have_text(number)
    expect(page.locator(".timer")).to_have_text(re.compile(r"\d"))
    page.wait_for_timeout(450)


def actions_of(site: Site, scan: int) -> list[tuple[str, str]]:
    with site.desk.database.reading() as connection:
        return [(each.actor, each.action) for each in audit.records(connection, scan=scan)]


def test_from_a_scan_that_comes_in_to_the_audit_chain(site: Site, browser: "Browser") -> None:
    olga = site.open(browser, "olga")
    expect(olga.locator("[data-part=connection]")).to_have_text("Live")
    scan = site.send(GUN, number="LH-123")
    shows(olga, "LH-123")
    expect(olga.locator(".findings")).to_contain_text("wrench")
    olga.keyboard.down("5")
    olga.wait_for_timeout(200)
    olga.keyboard.up("5")
    olga.keyboard.press("r")
    olga.keyboard.press("1")
    olga.get_by_label("Note").fill("barrel beside the handle")
    olga.keyboard.press("Enter")
    expect(olga.locator(".undo-bar")).to_contain_text("LH-123")
    vera = site.open(browser, "vera", "supervisor/referrals")
    vera.get_by_role("button", name="Record").first.click()
    vera.get_by_label("gun").check()
    vera.get_by_role("dialog").get_by_role("button", name="Record").click()
    expect(vera.get_by_text("No referral waits")).to_be_visible()
    vera.goto(f"http://127.0.0.1:{site.port}/#/report/{scan}")
    expect(vera.locator("main")).to_contain_text("barrel beside the handle")
    expect(vera.locator("main img").first).to_be_visible()
    until(lambda: ("olga", "filter") in actions_of(site, scan))
    told = actions_of(site, scan)
    wanted = [
        ("token scanner 1", "scan.accepted"),
        ("service", "inspection"),
        ("olga", "view"),
        ("olga", "decision"),
    ]
    assert [each for each in told if each in wanted] == wanted
    assert ("vera", "secondary") in told
    with site.desk.database.reading() as connection:
        assert audit.verify(connection).intact
        assert scans.summary_of(connection, scan)["state"] == "closed"


def test_a_scan_is_seen_within_300_ms_of_its_inspection(site: Site, browser: "Browser") -> None:
    olga = site.open(browser, "olga")
    expect(olga.locator("[data-part=connection]")).to_have_text("Live")
    olga.evaluate(
        "seen = {}; new MutationObserver(() => { const name = document.querySelector('.scan-name').textContent;"
        "if (document.querySelector('.timer').textContent) seen[name] ??= Date.now(); })"
        ".observe(document.querySelector('.side'), {subtree: true, childList: true, characterData: true})"
    )
    waits = []
    for number in ("A1", "A2", "A3", "A4"):
        scan = site.send(number, number=number)
        shows(olga, number)
        with site.desk.database.reading() as connection:
            shown = scans.get(connection, scan)
        assert shown is not None
        at = datetime.strptime(shown.shown_at, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()
        waits.append(olga.evaluate(f"seen.{number}") / 1000 - at)
        olga.keyboard.press("c")
        expect(olga.locator(".stage-title")).to_have_text("No scan to decide")
    assert sorted(waits)[1] < 0.3, waits  # the slowest two may have met other work of the machine


def test_two_operators_at_once(site: Site, browser: "Browser") -> None:
    olga, ivan = site.open(browser, "olga"), site.open(browser, "ivan")
    for page in (olga, ivan):
        expect(page.locator("[data-part=connection]")).to_have_text("Live")
    scan = site.send("B1", number="B1")
    shows(olga, "B1")
    shows(ivan, "B1")
    olga.keyboard.press("c")
    expect(ivan.locator(".notices")).to_contain_text("olga")
    ivan.keyboard.press("c")  # decides nothing any more
    ivan.keyboard.press("g")
    expect(ivan.locator(".stage-title")).to_have_text("No scan to decide")
    until(lambda: ("olga", "decision") in actions_of(site, scan))
    assert [action for _, action in actions_of(site, scan)].count("decision") == 1


def test_a_console_goes_on_where_the_stream_was_cut(site: Site, browser: "Browser", tmp_path: Path) -> None:
    olga = site.open(browser, "olga")
    expect(olga.locator("[data-part=connection]")).to_have_text("Live")
    olga.context.set_offline(True)
    first, second = site.send("C1", number="C1"), site.send("C2", number="C2")
    until(lambda: all(_shown(site, scan) for scan in (first, second)))
    olga.context.set_offline(False)
    shows(olga, "C1")
    olga.keyboard.press("c")
    shows(olga, "C2")


def _shown(site: Site, scan: int) -> bool:
    with site.desk.database.reading() as connection:
        return bool(scans.summary_of(connection, scan)["shown"])
