"""The console's pictures for README and documentation: `python -m tests.made.readme_pictures docs/pictures`.

Each is the real console before the real service, with the bundled models and the simulated samples.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import cv2
from playwright.sync_api import sync_playwright

import cargosight_inference
from cargosight_inference.service.desk import Desk
from cargosight_inference.service.details import Arrival
from cargosight_inference.service.records import accounts, scans
from cargosight_inference.service.settings import LaneSettings, ServiceSettings
from tests.made.browser import CHROMIUM, FLAGS
from tests.made.service import PASSWORD, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SAMPLES = Path(cargosight_inference.__file__).parent / "samples"
SIZE = (1366, 768)
QUALITY = 88
SHOWN = {
    "belt-1": ("baggage", "case-handcuffs-dual-energy.tif", "suitcase-gun-knife.jpg", "handbag-knife.png"),
    "bay-1": ("cargo", "uld-motorcycle-dual-energy.tif", "chassis-shielded-source.jpg"),
}
"""By lane the folder of its samples, and those that come in; the first is on the screen."""


@contextmanager
def service(folder: Path) -> Iterator[tuple[Desk, int]]:
    """Run a service with two lanes, an operator, and inspected samples; yields it and its port."""
    lanes = (
        LaneSettings(name="belt-1", title="Baggage belt 1", watch=False),
        LaneSettings(name="bay-1", title="Vehicle bay 1", subject="cargo", watch=False, deadline_seconds=300),
    )
    with Desk(ServiceSettings(data=folder, lanes=lanes, least_free_mb=0)) as desk:
        with desk.database.writing() as connection:
            accounts.create(connection, "olga", "operator", list(SHOWN), by="admin", moment=datetime.now(UTC))
            accounts.set_password(connection, accounts.named(connection, "olga"), PASSWORD, keep="")
        for lane, (kind, *names) in SHOWN.items():
            for number, name in enumerate(names):
                _send(
                    desk,
                    lane,
                    SAMPLES / kind / name,
                    f"{'LH' if kind == 'baggage' else 'MSKU'}-{4711 + number}",
                )
        while not all(_inspected(desk)):
            time.sleep(0.2)
        with serving(desk) as (port, _):  # type: ignore[arg-type]
            yield desk, port


def _send(desk: Desk, lane: str, path: Path, number: str) -> None:
    told = Arrival(lane=lane, name=path.name, number=number, source="http", by="token scanner 1")
    with desk.reception.begin(told, desk.limits(lane)) as receiving:
        receiving.write(path.read_bytes())
        desk.reception.accept(receiving)


def _inspected(desk: Desk) -> list[bool]:
    with desk.database.reading() as connection:
        found, _ = scans.search(connection, lanes=list(SHOWN))
    return [scan["advice"] is not None and scan["has_picture"] for scan in found]


def take(browser: "Browser", port: int, lane: str, scheme: str, path: Path) -> None:
    """Sign in, wait for the picture of a lane, and keep what is seen."""
    context = browser.new_context(reduced_motion="reduce", color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_viewport_size({"width": SIZE[0], "height": SIZE[1]})
    page.goto(f"http://127.0.0.1:{port}/#/lane/{lane}")
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.locator(".timer:not(:empty)").wait_for()
    page.wait_for_timeout(3000)  # until the finest tiles are there
    page.screenshot(path=path.with_suffix(".png"))
    context.close()
    picture = cv2.imread(str(path.with_suffix(".png")))
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    path.with_suffix(".png").unlink()


def main(folder: Path) -> None:
    """Write the pictures into a folder."""
    with TemporaryDirectory() as data, service(Path(data) / "data") as (_, port), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        take(browser, port, "belt-1", "dark", folder / "console-lane.jpg")
        take(browser, port, "bay-1", "light", folder / "console-bay.jpg")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
