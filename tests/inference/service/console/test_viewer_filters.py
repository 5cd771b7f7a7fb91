"""Every filter of the viewer against numpy, from the definitions in js/viewer/filters.js."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from cargosight_inference.overlay import display_pixels
from cargosight_inference.scans import pseudocolour as python
from cargosight_inference.scans.scan import Scan
from tests.made import scans
from tests.made.viewer_page import ViewerPage, viewer_site

HEIGHT, WIDTH = 560, 620
TOP, LEFT, DOWN, ACROSS = (
    440,
    400,
    120,
    220,
)  # what is read, over the corner of four tiles, to the edges of the scan
PART = (slice(TOP, TOP + DOWN), slice(LEFT, LEFT + ACROSS))
AROUND = (slice(TOP - 20, HEIGHT), slice(LEFT - 20, WIDTH))  # with the neighbours that filters look at
DEPTH = 3 * np.log(10.0)
LUMA = np.array([0.299, 0.587, 0.114])


def noisy(channels: int) -> np.ndarray:
    """A bag with noise on every pixel, dead pixels, and a slope down to what 16 bits do not hold."""
    random = np.random.default_rng(3)
    clean = scans.transmission(HEIGHT, WIDTH, seed=4, items=20)[:, :, :channels].astype(np.float64)
    clean[:, 420:600] *= np.exp(np.linspace(0, -12, 180))[None, :, None]
    pixels = clean * (1 + 0.03 * random.standard_normal(clean.shape))
    pixels[random.random((HEIGHT, WIDTH)) < 0.002] = 0
    return (np.rint(np.clip(pixels, 0, 1) * 65535) / 65535).astype(np.float32)


def made_scans() -> dict[str, Scan]:
    colour = np.rint(python.pseudocolour(noisy(2)) * 255).astype(np.uint8)
    grey = np.rint(noisy(1)[:, :, 0] * 255).astype(np.uint8)
    return {
        "bag": Scan.in_memory(noisy(2), kind="transmission", subject="baggage"),
        "cargo": Scan.in_memory(noisy(2), kind="transmission", subject="cargo"),
        "single": Scan.in_memory(noisy(1), kind="transmission", subject="cargo"),
        "colour": Scan.in_memory(colour, kind="pseudocolour", subject="baggage"),
        "grey": Scan.in_memory(grey, kind="display_grey", subject="baggage"),
    }


PRESETS = {
    "high_penetration": {
        "colour": (-1.5, 0.75),
        "cargo": (-0.15, 0.6),
        "bag": (0.0, 0.75),
        "display": (0.0, 0.4),
    },
    "low_penetration": {
        "colour": (0.65, 1.0),
        "cargo": (0.8, 1.0),
        "bag": (0.65, 1.0),
        "display": (0.5, 1.0),
    },
}


@dataclass
class Reference:
    """The documented filters in numpy; `values` are stored numbers (h, w, C) of a level."""

    values: np.ndarray
    scan: Scan

    def __post_init__(self):
        self.is_transmission = self.scan.kind == "transmission"
        self.two = self.is_transmission and self.values.shape[2] == 2
        self.at_megavolts = self.scan.subject == "cargo"
        self.x = self.values.astype(np.float64) / (65535 if self.is_transmission else 255)

    def picture(self, filters=(), window=None) -> np.ndarray:
        """(h, w, 3) in [0, 1]."""
        coloured = self.two and not self.at_megavolts and "grey" not in filters
        strip = next((name for name in filters if name.endswith("_strip")), None)
        coloured |= "pseudocolour" in filters or (strip is not None and "grey" not in filters)
        low, high = self._window(filters, window, coloured)
        u = 1 + np.log10(np.maximum(self.x[:, :, :1], 1 / 65535)) / 3 if self.is_transmission else self.x
        g = np.clip((u - low) / (high - low), 0, 1)
        rgb = np.broadcast_to(g, (*g.shape[:2], 3))
        if coloured or strip:
            shown, mixed, lit = self._coloured(low, high)
            rgb = shown if coloured else rgb
        y = g @ LUMA if g.shape[2] == 3 else g[:, :, 0]
        if "local_contrast" in filters:
            rgb = rgb + (0.5 + 3 * (y - every_second(y)) - y)[:, :, None]
        if "edge" in filters:
            rgb = rgb + 2 * (g - np.dstack([binomial(g[:, :, c]) for c in range(g.shape[2])]))
        rgb = np.clip(rgb, 0, 1)
        if strip:
            keep = np.maximum(mixed if strip == "organic_strip" else 1 - mixed, 1 - lit)[:, :, None]
            rgb = rgb * keep + (1 - keep) * (0.75 + 0.25 * g[:, :, :1])
        if "grey" in filters and g.shape[2] == 3:
            rgb = np.repeat((rgb @ LUMA)[:, :, None], 3, axis=2)
        return 1 - rgb if "invert" in filters else rgb

    def _window(self, filters, window, coloured):
        preset = next((PRESETS[name] for name in filters if name in PRESETS), None)
        if preset is None:
            return window or (0.0, 1.0)
        energies = "cargo" if self.at_megavolts else "bag"
        return preset["colour" if coloured else energies if self.is_transmission else "display"]

    def _coloured(self, low, high):
        scale = python.MEGAVOLT if self.at_megavolts else python.KILOVOLT
        d = -np.log(np.clip(self.x, 1e-4, 1))
        means = np.dstack([every_second(d[:, :, c]) for c in (0, 1)]) if self.at_megavolts else d
        ratio = (means[:, :, 1] + 0.02 * scale.organic) / (means[:, :, 0] + 0.02)
        mixed, metal = ramp(ratio, scale.organic, scale.mixed), ramp(ratio, scale.mixed, scale.metal)

        def windowed(depth):
            return np.maximum(0, DEPTH * (1 - ((1 - depth / DEPTH) - low) / (high - low)))

        orange, green, blue = python._EXPONENTS.astype(np.float64)
        exponents = orange + mixed[:, :, None] * (green - orange) + metal[:, :, None] * (blue - green)
        lit = ramp(np.exp(-windowed(d[:, :, 0])), 0.004, 0.03)
        return np.exp(-windowed(d.mean(axis=2))[:, :, None] * exponents) * lit[:, :, None], mixed, lit


def ramp(values, start, end):
    return np.clip((values - start) / (end - start), 0, 1)


def every_second(plane):
    """The mean over offsets -8, -6 ... 8 both ways."""
    kernel = np.zeros((17, 17))
    kernel[::2, ::2] = 1 / 81
    return cv2.filter2D(plane, cv2.CV_64F, kernel, borderType=cv2.BORDER_REPLICATE)


def binomial(plane):
    row = np.array([1, 4, 6, 4, 1]) / 16
    return cv2.sepFilter2D(plane, cv2.CV_64F, row, row, borderType=cv2.BORDER_REPLICATE)


@pytest.fixture(scope="module")
def made():
    return made_scans()


@pytest.fixture(scope="module")
def viewer(browser, tmp_path_factory, made):
    with viewer_site(tmp_path_factory.mktemp("pictures")) as site:
        descriptions = {name: site.add(name, scan) for name, scan in made.items()}
        page = browser.new_page(viewport={"width": 460, "height": 300})
        yield ViewerPage(page, site, descriptions)
        page.close()


def set_filters(viewer, filters, window=None):
    script = "names => { viewer.resetFilters(); names.forEach((name) => viewer.setFilter(name, true)); }"
    viewer.run(script, list(filters))
    if window is not None:
        low, high = window
        viewer.run("window => viewer.setWindow(window)", {"level": (low + high) / 2, "width": high - low})


def assert_close(found, expected, most=1):
    """At most one step of 8 bits from the exact value's nearest: a rounding that fell the other way."""
    difference = np.abs(found.astype(int) - np.rint(expected * 255).astype(int))
    assert difference.max() <= most
    assert np.abs(found / 255 - expected).max() <= most / 255 + 0.51 / 255


EVERY_KIND = [
    (), ("high_penetration",), ("low_penetration",), ("edge",), ("local_contrast",), ("invert",),
    ("low_penetration", "local_contrast", "edge", "invert"),
]  # fmt: skip
CASES = {
    "bag": [
        *EVERY_KIND,
        ("grey",),
        ("organic_strip",),
        ("metal_strip", "high_penetration"),
        ("grey", "edge"),
    ],
    "cargo": [
        *EVERY_KIND,
        ("pseudocolour",),
        ("organic_strip", "edge"),
        ("metal_strip",),
        ("pseudocolour", "invert"),
    ],
    "single": EVERY_KIND,
    "colour": [*EVERY_KIND, ("grey",), ("grey", "local_contrast")],
    "grey": EVERY_KIND,
}


@pytest.mark.parametrize("name", CASES)
def test_filters_are_what_their_definitions_say(viewer, made, name):
    """One image pixel on one device pixel, over the corner of four tiles."""
    viewer.show(name)
    viewer.look_at(510, 500, 1)
    reference = Reference(viewer.site.level(name, 0)[AROUND], made[name])
    x, y = viewer.screen(LEFT, TOP)
    for filters in CASES[name]:
        set_filters(viewer, filters)
        found = viewer.pixels(x, y, ACROSS, DOWN)
        expected = reference.picture(filters)[20:, 20:]
        assert expected.std() > 0.005, filters  # something is seen
        assert_close(found, expected)


@pytest.mark.parametrize("name", ["bag", "single", "colour"])
def test_any_window(viewer, made, name):
    viewer.show(name)
    viewer.look_at(510, 500, 1)
    reference = Reference(viewer.site.level(name, 0)[AROUND], made[name])
    x, y = viewer.screen(LEFT, TOP)
    for window in ((0.3, 0.5), (-0.4, 1.2), (0.62, 0.64)):
        set_filters(viewer, (), window)
        assert_close(viewer.pixels(x, y, ACROSS, DOWN), reference.picture((), window)[20:, 20:])
    shown = viewer.run("viewer.window")
    tones = (10.0 ** (3 * (np.array([0.62, 0.64]) - 1))) if name != "colour" else 255 * np.array([0.62, 0.64])
    assert (shown["black"], shown["white"]) == pytest.approx(tuple(tones), rel=1e-6)


@pytest.mark.parametrize("name", ["bag", "cargo", "colour"])
def test_a_coarser_level_is_filtered_by_its_own_pixels(viewer, made, name):
    viewer.show(name)
    viewer.look_at(WIDTH / 2, HEIGHT / 2, 0.5)
    reference = Reference(viewer.site.level(name, 1), made[name])
    x, y = viewer.screen(0, 0)
    for filters in ((), ("edge", "local_contrast"), ("organic_strip",)):
        set_filters(viewer, filters)
        expected = reference.picture(
            filters if name != "colour" else [f for f in filters if "strip" not in f]
        )
        assert_close(viewer.pixels(x, y, 310, 280), expected)


def test_zoomed_in_pixels_are_interpolated_and_then_shown_as_squares(viewer, made):
    viewer.show("single")
    reference = Reference(viewer.site.level("single", 0), made["single"])
    set_filters(viewer, ("edge",))
    whole = np.rint(reference.picture(("edge",)) * 255).astype(np.uint8)
    viewer.look_at(512, 512, 4)
    enlarged = cv2.resize(whole, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
    x, y = viewer.screen(480, 490)
    assert_close(viewer.pixels(x, y, 240, 160), enlarged[1960:2120, 1920:2160] / 255.0, most=2)
    viewer.look_at(512, 512, 16)
    x, y = viewer.screen(505, 508)
    squares = whole[508:516, 505:519].repeat(16, axis=0).repeat(16, axis=1)
    assert_close(viewer.pixels(x, y, 224, 128), squares / 255.0)


@pytest.mark.parametrize("name", CASES)
def test_the_standard_image_is_that_of_the_overlays(viewer, made, name):
    viewer.show(name)
    viewer.look_at(510, 500, 1)
    x, y = viewer.screen(LEFT, TOP)
    assert_close(viewer.pixels(x, y, ACROSS, DOWN), display_pixels(made[name])[PART] / 255.0)


def test_turned_and_mirrored(viewer, made):
    viewer.show("bag")
    picture = display_pixels(made["bag"])
    turned = {
        "viewer.rotate(90)": np.rot90(picture, -1),
        "viewer.flip('x')": np.rot90(picture, -1)[:, ::-1],
        "viewer.rotate(-90)": np.rot90(np.rot90(picture, -1)[:, ::-1]),
        "viewer.flip('y')": np.rot90(np.rot90(picture, -1)[:, ::-1])[::-1],
    }
    for step, expected in turned.items():
        viewer.run(f"() => {step}")
        viewer.look_at(WIDTH / 2, HEIGHT / 2, 1)
        # Where the turned picture's upper left corner lies.
        corners = [viewer.screen(x, y) for x in (0, WIDTH) for y in (0, HEIGHT)]
        left, top = (round(min(corner[axis] for corner in corners)) for axis in (0, 1))
        assert_close(viewer.pixels(0, 0, 460, 300), expected[-top : 300 - top, -left : 460 - left] / 255.0)


def test_colours_are_the_constants_of_the_package(viewer):
    constants = viewer.run("async () => (await import('/js/viewer/filters.js')).CONSTANTS")
    assert np.array_equal(np.array(constants["exponents"], dtype=np.float32), python._EXPONENTS)
    for name, scale in (("kilovolt", python.KILOVOLT), ("megavolt", python.MEGAVOLT)):
        assert constants[name] == {"organic": scale.organic, "mixed": scale.mixed, "metal": scale.metal}
    fixed = (python._FLOOR, python._THIN, python._BLACK, python._CLEAR)
    assert tuple(constants[name] for name in ("floor", "thin", "black", "clear")) == fixed


def test_filters_are_offered_where_the_scan_bears_them(viewer):
    both = {"organic_strip", "metal_strip"}
    special = {"bag": both | {"grey"}, "cargo": both | {"pseudocolour"}, "single": set(), "colour": {"grey"}}
    for name, expected in {**special, "grey": set()}.items():
        viewer.begin(name)
        offered = {each["name"] for each in viewer.run("viewer.filters") if each["available"]}
        assert offered & (both | {"grey", "pseudocolour"}) == expected
        assert offered >= {
            "high_penetration",
            "low_penetration",
            "edge",
            "local_contrast",
            "invert",
            "window",
        }
    viewer.run("() => { viewer.setFilter('metal_strip', true); }")
    assert not any(each["on"] for each in viewer.run("viewer.filters"))


def test_nothing_was_complained_of(viewer):
    """Last, of all that the tests before have drawn."""
    assert viewer.run("complaints") == []
