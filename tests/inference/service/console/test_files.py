"""What holds for every file of the console, without a browser."""

import json
import re
from pathlib import Path

import pytest

from cargosight_inference import service

CONSOLE = Path(service.__file__).parent / "console"
PAGES = sorted(path for path in (CONSOLE / "js").rglob("*.js") if "viewer" not in path.parts)
STYLES = sorted((CONSOLE / "css").glob("*.css"))
EVENTS = ("scan.", "model.changed", "stream.")
KEY = re.compile(r"'([a-z_]+(?:\.[a-z0-9_]+)+)'")
THEMES = ("light", "dark")

TEXT_ON = {
    "ground": ("ink", "soft", "accent", "clear", "refer", "unsure"),
    "panel": ("ink", "soft", "accent", "clear", "refer", "unsure"),
    "raised": ("ink", "soft", "accent", "clear", "refer", "unsure"),
    "pressed": ("ink", "soft", "accent"),
    "warn-ground": ("warn-ink",),
    "good-ground": ("good-ink",),
    "note-ground": ("note-ink",),
    "clear-fill": ("on-fill",),
    "refer-fill": ("on-fill",),
    "accent-fill": ("on-fill",),
    "stage": ("on-stage",),
}
"""Colours of texts by the grounds that they stand on: 4.5:1."""
SIGNS_ON = dict.fromkeys(("ground", "panel", "raised"), ("edge", "focus", "accent")) | {
    "clear-fill": ("on-fill",),
    "refer-fill": ("on-fill",),
}
"""Borders of what is pressed or written in, and the focus: 3:1."""


def messages() -> dict[str, str]:
    return json.loads((CONSOLE / "messages/en.json").read_text())


def base(key: str, table: dict[str, str]) -> str:
    """The key of a text that has a singular and a plural."""
    stem, _, form = key.rpartition(".")
    return stem if form in ("one", "other") and f"{stem}.one" in table and f"{stem}.other" in table else key


def code(path: Path) -> str:
    """A module without its comments."""
    return re.sub(r"/\*.*?\*/|(?<![:'])//[^\n]*", "", path.read_text(), flags=re.S)


def test_every_text_that_is_used_is_there_and_none_is_idle() -> None:
    table = messages()
    known = {base(key, table) for key in table}
    topics = {key.partition(".")[0] for key in known}
    used = {key for path in PAGES for key in KEY.findall(code(path)) if not key.startswith(EVENTS)}
    used = {key for key in used if key.partition(".")[0] in topics}
    asked = {
        key
        for path in PAGES
        for key in re.findall(r"(?:\bt|\bcount|\.text|\.counted)\('([^']+)'", code(path))
    }
    assert sorted((used | asked) - known) == []
    assert sorted(known - used) == []


def test_texts_have_no_places_that_nobody_fills() -> None:
    given = {name for path in PAGES for name in re.findall(r"(\w+)(?=[,:}])", code(path))} | {"count"}
    for key, text in messages().items():
        assert set(re.findall(r"\{(\w+)\}", text)) <= given, key


def test_modules_hold_no_english() -> None:
    sentence = re.compile(r"(['`])(?:[A-Z][a-z]+ [a-z]|[a-z]+ [a-z]+ [a-z]+ [a-z]+|[A-Z][a-z]{3,}[.…]?\1)")
    allowed = {"'Enter'", "'Escape'", "'Accept'", "'ArrowRight'"}
    for path in PAGES:
        found = [match.group() for match in sentence.finditer(code(path))]
        assert [
            each
            for each in found
            if each not in allowed and "ApiError" not in each and "NoAnswer" not in each
        ] == [], path


def test_text_from_outside_never_becomes_markup() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\b|Function\("
    )
    for path in (CONSOLE / "js").rglob("*.js"):
        assert forbidden.findall(path.read_text()) == [], path


def test_nothing_is_inline_and_nothing_foreign() -> None:
    page = (CONSOLE / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page) == []
    for path in [*(CONSOLE / "js").rglob("*.js"), *STYLES, CONSOLE / "index.html", CONSOLE / "favicon.svg"]:
        addresses = set(re.findall(r"https?://[^\s'\"]+", path.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path
        assert not re.search(r"setAttribute\('style'|[{,]\s*style: (?!'percent')", path.read_text()), path


def test_every_file_is_asked_for_at_once() -> None:
    # Else a module is asked for only once the one that needs it is there: six trips, one after another.
    page = (CONSOLE / "index.html").read_text()
    modules = {path.relative_to(CONSOLE).as_posix() for path in (CONSOLE / "js").rglob("*.js")}
    idle = {"js/main.js", "js/viewer/types.js"}  # the page itself has the one; the other holds comments alone
    assert set(re.findall(r'modulepreload" href="([^"]+)"', page)) == modules - idle
    assert set(re.findall(r'href="css/([^"]+)"', page)) == {path.name for path in STYLES}


@pytest.mark.parametrize("path", [*PAGES, *STYLES], ids=lambda path: path.name)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 400
    assert max(map(len, path.read_text().splitlines())) <= 320


def test_functions_are_short() -> None:
    start = re.compile(
        r"^( *)(?:export )?(?:async )?(?:function \w+|(?:get |set |static |async )*\w+)\([^)]*\) \{$", re.M
    )
    for path in PAGES:
        text = path.read_text()
        for found in start.finditer(text):
            end = text.find(f"\n{found.group(1)}}}", found.end())
            assert text.count("\n", found.start(), end) < 60, f"{path.name}: {found.group().strip()}"


def colours() -> dict[str, tuple[str, str]]:
    text = (CONSOLE / "css/tokens.css").read_text()
    pairs = re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", text)
    return {name: (light, dark) for name, light, dark in pairs}


def contrast(one: str, other: str) -> float:
    """The contrast of WCAG 2.2, from 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("pairs", "least"), [(TEXT_ON, 4.5), (SIGNS_ON, 3.0)], ids=["texts", "signs"])
def test_contrast_is_enough(theme: str, pairs: dict[str, tuple[str, ...]], least: float) -> None:
    table = {name: pair[THEMES.index(theme)] for name, pair in colours().items()}
    weak = {
        f"{name} on {ground}": round(contrast(table[name], table[ground]), 2)
        for ground, names in pairs.items()
        for name in names
        if contrast(table[name], table[ground]) < least
    }
    assert weak == {}


def test_colours_come_from_the_tokens_alone() -> None:
    for path in STYLES:
        if path.name not in ("tokens.css", "viewer.css"):
            assert (
                re.findall(
                    r"#[0-9a-f]{3,8}\b(?!-)",
                    re.sub(r"/\*.*?\*/|#app|#main", "", path.read_text(), flags=re.S),
                )
                == []
            ), path
