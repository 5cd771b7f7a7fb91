"""Pages of the console in a browser, before the fake service; whatever they do wrong on the side fails their test."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.made.fake_service import FakeService
from tests.made.fake_site import COOKIE, FakeSite, fake_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

PASSWORD = "correct horse"
Opener = Callable[..., "Page"]
_WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => window.violations.push(event.violatedDirective));
window.seenSince = null;
new MutationObserver(() => {
  if (!document.querySelector('.timer')?.textContent) window.seenSince = null;
  else window.seenSince ??= performance.now();
}).observe(document, {subtree: true, childList: true, characterData: true});
"""
_EXPECTED = ("401", "403", "409", "422", "503", "ERR_", "net::")
"""In what the browser writes of an answer that is no success: the tests ask for those."""


@dataclass
class Desks:
    """The site, and a browser profile at each of its desks, which keeps the console's files from test to test."""

    site: FakeSite
    browser: "Browser"
    contexts: list["BrowserContext"] = field(default_factory=list)
    free: list[list["Page"]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def page_at(self, desk: int) -> "Page":
        """A page at a desk that no other part of the test has."""
        if desk == len(self.contexts):
            self.contexts.append(self.browser.new_context(reduced_motion="reduce"))
            self.free.append([])
        if self.free[desk]:
            return self.free[desk].pop()
        page = self.contexts[desk].new_page()
        page.set_default_timeout(8000)
        page.add_init_script(_WATCH)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on(
            "console", lambda message: self.problems.append(message.text) if self._counts(message) else None
        )
        return page

    def _counts(self, message: Any) -> bool:
        """Return whether something is wrong for which the browser wrote a message."""
        asked = re.search(r"/api/v1/lanes/([^/?]+)$", message.location["url"])
        lanes = self.site.service.lanes if self.site.service is not None else []
        if "404" in message.text and asked is not None and asked[1] not in lanes:
            return False  # whether a lane was removed is asked of the service
        return message.type == "error" and not any(part in message.text for part in _EXPECTED)

    def put_back(self, desk: int, page: "Page") -> None:
        """Leave a page for the next test as if nobody had been there."""
        if page.is_closed():
            return
        self.problems += page.evaluate("window.violations ?? []")
        page.evaluate("localStorage.clear()")
        page.goto("about:blank")
        page.emulate_media(media="null")
        self.free[desk].append(page)


@pytest.fixture(scope="module")
def desks(browser: "Browser") -> Iterator[Desks]:
    """The site, and whoever comes to it."""
    with fake_site() as site:
        yield Desks(site, browser)


@pytest.fixture
def service(desks: Desks, tmp_path: Path) -> FakeService:
    """The fake service that answers from now on."""
    desks.site.service = FakeService(tmp_path)
    return desks.site.service


@pytest.fixture
def opened(desks: Desks, service: FakeService) -> Iterator[Opener]:
    """Opens the console as somebody who is signed in (nobody for None), at an address behind the #.

    Every person of a test has a desk, unless one comes in the place (`instead`) of another who has left.
    """
    pages: list[tuple[int, Any]] = []
    people: list[str | None] = []
    desks.problems.clear()

    def open_page(
        name: str | None = "ada", path: str = "", *, scheme: Any = "dark", instead: "Page | None" = None
    ) -> "Page":
        if instead is not None:
            page = instead
            page.goto("about:blank")
        else:
            people.extend([name] if name not in people else [])
            page = desks.page_at(people.index(name))
            pages.append((people.index(name), page))
        if name is not None:
            service.sessions[f"of-{name}"] = name
            page.context.add_cookies([{"name": COOKIE, "value": f"of-{name}", "url": desks.site.address}])
        page.set_viewport_size({"width": 1366, "height": 768})
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{desks.site.address}/#/{path}")
        return page

    yield open_page
    for gate in service.held.values():
        gate.set()
    service.drop_streams()
    for desk, page in pages:
        desks.put_back(desk, page)
    for context in desks.contexts:
        context.clear_cookies()
    assert desks.problems == []


def shows(page: "Page", number: str) -> None:
    """Wait until a scan is open, and its picture has been in sight for long enough to decide."""
    page.locator(f".side:has(.scan-name bdi:text-is('{number}')):has(.timer:not(:empty))").wait_for()
    page.wait_for_timeout(max(0.0, 420 - page.evaluate("performance.now() - seenSince")))


def sign_in(page: "Page", name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.keyboard.press("Enter")
