"""The viewer in a page, with two pictures to show, for the tests of a module."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cargosight_inference.scans.scan import Scan
from tests.made import scans
from tests.made.viewer_page import ViewerPage, ViewerSite, viewer_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WIDTH, HEIGHT = 1300, 700
"""Of the picture `wide`: three levels, six tiles."""
VIEW = {"width": 600, "height": 400}

Pictures = tuple[ViewerSite, dict[str, dict[str, Any]]]


def wide_scan() -> Scan:
    """Return two energies of cargo: every pixel differs from its neighbours; darker to the right."""
    random = np.random.default_rng(7)
    pixels = random.random((HEIGHT, WIDTH, 2)) * np.exp(-np.linspace(0, 4, WIDTH))[:, None]
    return Scan.in_memory(pixels.astype(np.float32), kind="transmission", subject="cargo")


@pytest.fixture(scope="module")
def viewer_pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pictures]:
    """Serve `wide`, and `bag`, a vendor's small grey picture; give their descriptions, too."""
    table = {"material": "steel", "transmission": [1.0, 0.5, 0.1, 0.01], "g_cm2": [0.0, 12.0, 40.0, 85.0]}
    with viewer_site(tmp_path_factory.mktemp("pictures")) as site:
        described = site.add("wide", wide_scan())
        bag = site.add("bag", scans.scan("display_grey", height=300, width=400))
        yield site, {"wide": {**described, "areal_density": table, "pixel_pitch_mm": [2.0, 3.0]}, "bag": bag}


@pytest.fixture(scope="module")
def viewer_page(browser: "Browser", viewer_pictures: Pictures) -> Iterator[ViewerPage]:
    """Open the page once for a module."""
    page = browser.new_page(viewport=VIEW)
    yield ViewerPage(page, *viewer_pictures)
    page.close()


@pytest.fixture
def viewer(viewer_page: ViewerPage) -> Iterator[ViewerPage]:
    """Give a test a viewer that no other has used."""
    yield viewer_page
    viewer_page.site.held = lambda name: None
    viewer_page.run("() => { viewer.destroy(); window.viewer = make(); }")
