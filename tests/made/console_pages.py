"""Pages of the console in a browser, before the fake service; whatever they do wrong on the side fails their test."""

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
"""
_EXPECTED = ("401", "403", "409", "422", "503", "ERR_", "net::")
"""In what the browser writes of an answer that is no success: the tests ask for those."""


@dataclass
class Desks:
    """A browser profile for each person, which keeps the console's files from test to test, and the site."""

    site: FakeSite
    browser: "Browser"
    contexts: dict[str, "BrowserContext"] = field(default_factory=dict)
    free: dict[str, list["Page"]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def page_of(self, name: str) -> "Page":
        """A page of a person's that no other part of the test has."""
        if name not in self.contexts:
            self.contexts[name] = self.browser.new_context(reduced_motion="reduce")
        if self.free.setdefault(name, []):
            return self.free[name].pop()
        page = self.contexts[name].new_page()
        page.set_default_timeout(8000)
        page.add_init_script(_WATCH)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self.problems.append(message.text) if _counts(message) else None)
        return page

    def put_back(self, name: str, page: "Page") -> None:
        """Leave a page for the next test as if nobody had been there."""
        if page.is_closed():
            return
        self.problems += page.evaluate("window.violations ?? []")
        page.evaluate("localStorage.clear()")
        page.goto("about:blank")
        page.emulate_media(media="null")
        self.free[name].append(page)


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
    """Opens the console as somebody who is signed in (nobody for None), at an address behind the #."""
    pages: list[tuple[str, Any]] = []
    desks.problems.clear()

    def open_page(
        name: str | None = "ada", path: str = "", size: tuple[int, int] = (1366, 768), scheme: Any = "dark"
    ) -> "Page":
        page = desks.page_of(str(name))
        pages.append((str(name), page))
        if name is not None:
            service.sessions[f"of-{name}"] = name
            page.context.add_cookies([{"name": COOKIE, "value": f"of-{name}", "url": desks.site.address}])
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{desks.site.address}/#/{path}")
        return page

    yield open_page
    service.drop_streams()
    for name, page in pages:
        desks.put_back(name, page)
    for context in desks.contexts.values():
        context.clear_cookies()
    assert desks.problems == []


def sign_in(page: "Page", name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.keyboard.press("Enter")


def _counts(message: Any) -> bool:
    return message.type == "error" and not any(part in message.text for part in _EXPECTED)
