"""The console's files: the listed ones with their types, and nothing else of the disk."""

from pathlib import Path

import pytest
from starlette.applications import Starlette

from cargosight_inference.service.api.console import FOLDER, Console
from cargosight_inference.service.api.errors import add_handlers
from tests.made.service import TestClient

FILES = {
    "index.html": "text/html; charset=utf-8",
    "js/main.js": "text/javascript; charset=utf-8",
    "css/base.css": "text/css; charset=utf-8",
    "messages/en.json": "application/json",
    "favicon.svg": "image/svg+xml",
    "notes.md": None,
    "js/server.py": None,
    ".secret": None,
}


@pytest.fixture
def browser(tmp_path: Path) -> TestClient:
    folder = tmp_path / "console"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}", encoding="utf-8")
    (tmp_path / "outside.html").write_text("outside", encoding="utf-8")
    app = Starlette(routes=Console(folder).routes)
    app.router.redirect_slashes = False
    add_handlers(app)  # type: ignore[arg-type]
    return TestClient(app, base_url="http://127.0.0.1")


@pytest.mark.parametrize(("name", "kind"), FILES.items())
def test_files_have_their_types(browser: TestClient, name: str, kind: str | None) -> None:
    answer = browser.get(f"/{name}")
    if kind is None:
        assert answer.status_code == 404
        return
    assert (answer.status_code, answer.headers["content-type"], answer.text) == (
        200,
        kind,
        f"content of {name}",
    )
    head = browser.head(f"/{name}")
    assert (head.status_code, head.content, head.headers["content-length"]) == (
        200,
        b"",
        str(len(answer.content)),
    )


def test_the_address_alone_is_the_console(browser: TestClient) -> None:
    assert browser.get("/").text == "content of index.html"


def test_what_is_known_is_not_sent_again(browser: TestClient, tmp_path: Path) -> None:
    answer = browser.get("/js/main.js")
    tag = answer.headers["etag"]
    assert answer.headers["cache-control"] == "no-cache"
    for given in (tag, f"W/{tag}", f'"x", {tag}'):
        again = browser.get("/js/main.js", headers={"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    (tmp_path / "console/js/main.js").write_text("newer", encoding="utf-8")
    assert browser.get("/js/main.js", headers={"If-None-Match": tag}).text == "newer"


@pytest.mark.parametrize(
    "path",
    [
        "/js",
        "/js/",
        "/../outside.html",
        "/js/..%2findex.html",
        "/%2e%2e/outside.html",
        "/js/main.js/",
        "/%00",
    ],
)
def test_nothing_else_is_served(browser: TestClient, path: str) -> None:
    assert browser.get(path).status_code == 404


def test_a_file_that_was_taken_away_is_not_there(browser: TestClient, tmp_path: Path) -> None:
    (tmp_path / "console/js/main.js").unlink()
    assert browser.get("/js/main.js").status_code == 404


def test_the_shipped_console_is_there() -> None:
    paths = {route.path for route in Console().routes}
    assert {"/", "/index.html"} <= paths
    assert {f"/{path.relative_to(FOLDER)}" for path in FOLDER.rglob("*.js")} <= paths
