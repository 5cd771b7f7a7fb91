"""The viewer: how it shows a scan, what it tells, and what it obeys. Filters are tested beside."""

import json
import re
import threading

import numpy as np
import pytest

from tests.made.viewer_fixtures import VIEW
from tests.made.viewer_page import CONSOLE, ViewerPage

# The way of a picture.


def test_the_coarsest_level_comes_first_and_nothing_is_waited_for(viewer):
    gate = threading.Event()
    viewer.site.held = lambda name: None if name.startswith("wide/2/") else gate
    viewer.site.asked.clear()
    viewer.begin("wide")
    assert viewer.wait_for_event("ready")["scanId"] == "wide"
    # Four tiles are asked for at once, on connections of their own: they may overtake one another on the way.
    assert "wide/2/0/0" in viewer.site.asked[:4]
    assert viewer.pixels(300, 200, 1, 1).min() > 0  # something is seen, though finer tiles are held back
    assert viewer.events("complete") == []
    gate.set()
    assert viewer.wait_for_event("complete")["ms"] >= 0


def test_what_is_no_longer_needed_is_cancelled(viewer):
    never = threading.Event()
    viewer.site.held = lambda name: never if name.startswith("wide/0/") else None
    viewer.begin("wide")
    viewer.wait_for_event("ready")
    viewer.run("() => { viewer.oneToOne(); viewer.readPixels(0, 0, 1, 1); }")
    assert 0 < viewer.run("viewer.usage.loading") <= 4
    viewer.run("() => { viewer.fit(); viewer.readPixels(0, 0, 1, 1); }")
    viewer.page.wait_for_function("() => viewer.usage.loading === 0")
    viewer.begin("bag")  # and a next scan does not wait for the last one
    assert viewer.wait_for_event("complete")["scanId"] == "bag"
    never.set()


def test_a_tile_that_fails_is_asked_for_again(viewer):
    answer = viewer.site.answer
    failures = iter([None, (b"too short", "application/octet-stream")])
    viewer.site.answer = lambda path: (
        next(failures, answer(path)) if path == "tiles/bag/0/0/0" else answer(path)
    )
    viewer.begin("bag")
    viewer.wait_for_event("complete")
    viewer.site.answer = answer
    assert viewer.events("problem") == []


def test_the_cache_keeps_to_its_budget(viewer):
    budget = 6_000_000
    viewer.run("bytes => { viewer.destroy(); window.viewer = make({cacheBytes: bytes}); }", budget)
    viewer.show("wide")
    for x in range(200, 1200, 250):
        viewer.look_at(x, 150, 2)
        viewer.settle()
    usage = viewer.run("viewer.usage")
    seen = 2 * 544 * 544 * (4 + 4 + 4)  # bytes, on the card as it came and filtered, of two tiles at most
    assert usage["bytes"] <= budget + seen
    assert "2/0/0" in usage["tiles"]
    assert "0/0/0" not in usage["tiles"]
    assert viewer.run("viewer.readingAt({x: 300, y: 200})")["level"] == 0


def test_a_lost_context_comes_back(viewer):
    viewer.show("wide")
    before = viewer.pixels(0, 0, 600, 400)
    viewer.run("""() => {
      window.card = document.querySelector('canvas').getContext('webgl2').getExtension('WEBGL_lose_context');
      card.loseContext();
    }""")
    assert viewer.wait_for_event("problem")["code"] == "context_lost"
    assert "returns by itself" in viewer.page.inner_text(".viewer-problem")
    viewer.run("() => card.restoreContext()")
    viewer.wait_for_event("restored")
    assert np.array_equal(viewer.pixels(0, 0, 600, 400), before)
    assert not viewer.page.is_visible(".viewer-problem")


def test_without_webgl_there_is_a_sentence(browser, viewer_pictures):
    page = browser.new_page(viewport=VIEW)
    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (name, ...more) {"
        "  return name === 'webgl2' ? null : get.call(this, name, ...more); };"
    )
    viewer = ViewerPage(page, *viewer_pictures)
    assert viewer.events("problem")[0]["code"] == "no_webgl"
    viewer.begin("bag")
    assert "no WebGL2" in page.inner_text(".viewer-problem")
    page.close()


def test_a_viewer_leaves_nothing_behind(viewer):
    viewer.show("bag")
    viewer.run("() => viewer.destroy()")
    assert viewer.run("document.getElementById('host').childElementCount") == 0
    viewer.page.keyboard.press("f")


# One coordinate rule.


CAMERA_CASES = """async () => {
  const {Camera, MOST_ZOOM} = await import('/js/viewer/camera.js');
  let seed = 1;
  const random = () => { seed = (seed * 48271) % 2147483647; return seed / 2147483647; };
  const worst = {back: 0, moved: 0, off: 0, zoom: 0};
  const keep = (name, value) => { worst[name] = Math.max(worst[name], value); };
  for (let round = 0; round < 300; round += 1) {
    const camera = new Camera();
    const ratio = [1, 1.25, 1.5, 2][round % 4];
    camera.setView(200 + 1000 * random(), 200 + 800 * random(), ratio);
    camera.setImage(Math.ceil(8000 * random()), Math.ceil(2500 * random()));
    for (let step = 0; step < 6; step += 1) {
      const at = {x: camera.view.width * random(), y: camera.view.height * random()};
      [() => camera.rotate(90), () => camera.rotate(-90), () => camera.flip('x'), () => camera.flip('y'),
        () => camera.pan(300 * random() - 150, 300 * random() - 150)][Math.floor(5 * random())]();
      const image = camera.toImage(at.x, at.y);
      const back = camera.toScreen(image.x, image.y);
      keep('back', Math.hypot(back.x - at.x, back.y - at.y));
      camera.zoomBy(2 ** (2 * random() - 1), at);
      const after = camera.toScreen(image.x, image.y);
      const {x, y, image: {width, height}} = camera;
      const isAtEdge = x <= 0 || y <= 0 || x >= width || y >= height;
      if (!isAtEdge) keep('moved', ratio * Math.hypot(after.x - at.x, after.y - at.y));
      keep('zoom', camera.zoom / MOST_ZOOM);
    }
    camera.oneToOne();
    const pixel = camera.toScreen(3, 5);
    keep('off', Math.abs(pixel.x * ratio - Math.round(pixel.x * ratio)));
    keep('off', Math.abs(pixel.y * ratio - Math.round(pixel.y * ratio)));
  }
  return worst;
}"""


def test_screen_and_image_are_each_others_inverse(viewer):
    """Whatever was turned, mirrored, zoomed and moved."""
    worst = viewer.run(CAMERA_CASES)
    assert worst["back"] < 1e-6  # there and back, in CSS pixels
    assert (
        worst["moved"] < 3
    )  # device pixels under the cursor when zooming by 2: origins are rounded to whole ones
    assert worst["off"] < 1e-6  # at 1:1 a pixel fills exactly one device pixel
    assert worst["zoom"] <= 1


def test_device_pixels_are_counted(browser, viewer_pictures):
    """On a dense screen 1:1 is one device pixel, not one CSS pixel."""
    page = browser.new_page(viewport=VIEW, device_scale_factor=1.5)
    viewer = ViewerPage(page, *viewer_pictures)
    viewer.show("wide")
    viewer.look_at(620, 340, 1)
    assert viewer.run("document.querySelector('canvas').width") == 900
    x, y = viewer.screen(600, 330)
    stored = viewer.site.level("wide", 0)[330:360, 600:640, 0] / 65535
    expected = 255 * np.clip(1 + np.log10(np.maximum(stored, 1e-3)) / 3, 0, 1)
    assert np.abs(viewer.pixels(1.5 * x, 1.5 * y, 40, 30)[:, :, 0] - expected).max() <= 1
    page.close()


def test_the_wheel_zooms_about_the_cursor_and_dragging_moves_the_picture(viewer):
    viewer.show("wide")
    before = viewer.run("viewer.camera.toImage(150, 220)")
    viewer.page.mouse.move(150, 220)
    viewer.page.mouse.wheel(0, -800)
    viewer.page.wait_for_function("() => !viewer.camera.fitted")
    after = viewer.run("viewer.camera.toImage(150, 220)")
    assert after == pytest.approx(before, abs=2)
    viewer.page.mouse.down()
    viewer.page.mouse.move(250, 180)
    viewer.page.mouse.up()
    assert viewer.run("viewer.camera.toImage(250, 180)") == pytest.approx(after, abs=2)
    viewer.page.mouse.dblclick(250, 180)
    viewer.page.wait_for_function("() => viewer.camera.fitted")


def test_zoom_ends_at_64(viewer):
    viewer.show("wide")
    viewer.run("() => viewer.zoomBy(1e6)")
    viewer.settle()
    assert viewer.run("viewer.camera.zoom") == 64
    assert viewer.events("view")[-1]["level"] == 0


def test_the_view_is_told(viewer):
    viewer.show("wide")
    viewer.run(
        "() => { viewer.rotate(90); viewer.flip('x'); viewer.oneToOne(); viewer.readPixels(0, 0, 1, 1); }"
    )
    view = viewer.events("view")[-1]
    assert (view["zoom"], view["rotation"], view["mirrored"], view["fitted"]) == (1, 90, True, False)


# Values under the cursor, lengths.


def test_the_value_under_the_cursor(viewer):
    viewer.show("wide")
    viewer.look_at(600, 350, 4)
    x, y = viewer.screen(611, 347)
    viewer.page.mouse.move(x + 2, y + 2)
    viewer.page.wait_for_function(
        "() => events.some(([name, detail]) => name === 'cursor' && detail?.x === 611)"
    )
    found = viewer.events("cursor")[-1]
    stored = viewer.site.level("wide", 0)[347, 611] / 65535
    assert (found["x"], found["y"], found["level"], found["material"]) == (611, 347, 0, "steel")
    assert found["values"] == pytest.approx(stored.tolist())
    table = viewer.descriptions["wide"]["areal_density"]
    expected = np.interp(-np.log(stored[0]), -np.log(table["transmission"]), table["g_cm2"])
    assert found["arealDensity"] == pytest.approx(expected, rel=1e-6)
    assert found["atLeast"] == (stored[0] < 0.01)
    viewer.page.mouse.move(x + 2, -50)


def test_before_the_scan_itself_is_there_a_coarser_level_answers(viewer):
    gate = threading.Event()
    viewer.site.held = lambda name: gate if name.startswith("wide/0") else None
    viewer.begin("wide")
    viewer.wait_for_event("complete")
    found = viewer.run("viewer.readingAt(viewer.camera.toScreen(1299.5, 699.5))")
    assert (found["x"], found["y"], found["level"]) == (1299, 699, 1)
    assert found["values"] == pytest.approx((viewer.site.level("wide", 1)[349, 649] / 65535).tolist())
    assert viewer.run("viewer.readingAt(viewer.camera.toScreen(1300.5, 10))") is None
    gate.set()


def test_nothing_physical_is_said_of_a_vendors_picture(viewer):
    viewer.show("bag")
    found = viewer.run("viewer.readingAt(viewer.camera.toScreen(200.5, 150.5))")
    assert found["arealDensity"] is None
    assert found["values"] == viewer.site.level("bag", 0)[150, 200].tolist()


def test_measuring(viewer):
    viewer.show("wide")
    viewer.look_at(300, 300, 1)
    viewer.run("() => viewer.startMeasuring()")
    start, end = viewer.screen(200, 250), viewer.screen(260, 330)
    viewer.page.mouse.move(*start)
    viewer.page.mouse.down()
    viewer.page.mouse.move(*end, steps=3)
    viewer.page.mouse.up()
    found = viewer.wait_for_event("measured")
    assert (found["pixels"], found["mm"]) == (pytest.approx(100), pytest.approx(np.hypot(120, 240)))
    viewer.run("() => viewer.readPixels(0, 0, 1, 1)")
    assert viewer.page.text_content(".viewer-measure text") == "268 mm"
    viewer.page.keyboard.press("Escape")
    assert viewer.run("viewer.tool") is None
    viewer.begin("bag")  # whose pitch nobody knows
    viewer.run("() => viewer.startMeasuring()")
    for place in ((100, 100), (100, 180)):  # two clicks do the same
        viewer.page.mouse.click(*place)
    assert viewer.wait_for_event("measured")["mm"] is None


def test_the_loupe_shows_the_same_pixel_nearer(viewer):
    viewer.show("wide")
    viewer.look_at(650, 350, 4)
    without = viewer.pixels(0, 0, 600, 400)
    viewer.run("() => viewer.setLoupe(true)")
    x, y = viewer.screen(651, 351)
    viewer.page.mouse.move(x + 2, y + 2)
    viewer.settle()
    around = viewer.pixels(x - 2, y - 2, 9, 9).astype(int)  # 12 device pixels of one pixel: squares
    stored = viewer.site.level("wide", 0)[351, 651, 0] / 65535
    assert np.abs(around - round(255 * np.clip(1 + np.log10(stored) / 3, 0, 1))).max() <= 1
    assert np.array_equal(viewer.pixels(0, 0, 100, 400), without[:, :100])


# Keys.


def on_filters(viewer):
    return {each["name"] for each in viewer.run("viewer.filters") if each["on"]}


def test_a_filter_lasts_as_long_as_its_key_is_held(viewer):
    viewer.show("wide")
    standard = viewer.pixels(100, 100, 50, 50)
    viewer.page.keyboard.down("3")
    assert on_filters(viewer) == {"edge"}
    assert not np.array_equal(viewer.pixels(100, 100, 50, 50), standard)
    viewer.page.keyboard.up("3")
    assert on_filters(viewer) == set()
    assert np.array_equal(viewer.pixels(100, 100, 50, 50), standard)
    told = viewer.events("filter")
    assert [each["on"] for each in told] == [True, False]
    assert {(each["name"], each["scanId"]) for each in told} == {("edge", "wide")}
    assert 0 < told[1]["seconds"] < 10


def test_shift_or_a_double_tap_latches_and_one_key_resets_all(viewer):
    viewer.show("wide")
    viewer.page.keyboard.press("Shift+5")
    assert on_filters(viewer) == {"invert"}
    viewer.run("""() => ['keydown', 'keyup', 'keydown', 'keyup'].forEach((name) => {
      document.dispatchEvent(new KeyboardEvent(name, {key: '1', code: 'Digit1', cancelable: true}));
    })""")  # quicker than a busy machine may type
    assert on_filters(viewer) == {"invert", "high_penetration"}
    viewer.page.keyboard.press("5")  # a latched one is let go by its key
    assert on_filters(viewer) == {"high_penetration"}
    viewer.page.keyboard.down("2")  # of one group the last one holds, and the other comes back
    assert viewer.run("viewer.filters.filter(({on}) => on).length") == 2
    viewer.page.keyboard.up("2")
    viewer.page.keyboard.press("Shift+ArrowUp")
    assert on_filters(viewer) == {"window"}
    viewer.page.keyboard.press("0")
    assert on_filters(viewer) == set()
    assert viewer.run("viewer.window.level") == 0.5


def test_a_filter_that_stays_on_tells_its_use_in_parts(viewer):
    viewer.show("wide")
    elapsed = viewer.run("""async () => {
      const begun = performance.now();
      viewer.setFilter('invert', true);
      await new Promise((done) => setTimeout(done, 200));
      viewer.reportUses();
      viewer.reportUses();
      viewer.setFilter('invert', false);
      viewer.reportUses();
      return (performance.now() - begun) / 1000;
    }""")
    parts = viewer.events("used")
    assert [(each["name"], each["scanId"]) for each in parts] == [("invert", "wide")] * 2
    assert parts[0]["seconds"] > 0.19
    assert sum(each["seconds"] for each in (*parts, viewer.events("filter")[-1])) <= elapsed


def test_keys_are_let_go_with_the_focus_and_are_no_keys_while_text_is_typed(viewer):
    viewer.show("wide")
    viewer.page.keyboard.down("5")
    viewer.run("() => window.dispatchEvent(new Event('blur'))")
    assert on_filters(viewer) == set()
    viewer.page.keyboard.up("5")
    viewer.page.focus("#note")
    viewer.page.keyboard.down("5")
    assert on_filters(viewer) == set()
    viewer.page.keyboard.up("5")
    assert viewer.page.input_value("#note") == "5"
    viewer.run(
        "() => { document.activeElement.value = ''; document.activeElement.blur(); viewer.setKeys([]); }"
    )
    viewer.page.keyboard.down("5")
    assert on_filters(viewer) == set()
    viewer.page.keyboard.up("5")


def test_a_new_scan_begins_with_the_standard_image(viewer):
    viewer.show("wide")
    viewer.run("() => { viewer.setFilter('invert', true); viewer.setFilter('low_penetration', true); }")
    viewer.begin("bag")
    assert on_filters(viewer) == set()


def test_every_key_is_listed_with_a_text_and_is_no_others(viewer):
    keymap = viewer.run("async () => (await import('/js/viewer/keymap.js')).KEYMAP")
    texts = viewer.run("texts")
    assert all(binding["text"] in texts for binding in keymap)
    keys = [(binding.get("code") or binding["key"], binding.get("shift")) for binding in keymap]
    twice = {key for key in keys if keys.count(key) > 1}
    assert twice == {("Digit6", None)}  # no picture has both pseudo-colour and black and white


# Texts and policy.


def test_every_text_is_there_and_used():
    texts = json.loads((CONSOLE / "messages" / "viewer.en.json").read_text(encoding="utf-8"))
    source = "".join(path.read_text(encoding="utf-8") for path in (CONSOLE / "js" / "viewer").glob("*.js"))
    named = set(re.findall(r"'(viewer\.[a-zA-Z_.]+)'", source)) - {"viewer.js"}
    assert named <= set(texts)
    assert all(key in source or key.rsplit(".", 1)[1] in source for key in texts)


def test_nothing_offends_the_content_policy(viewer):
    """Last, of all that the tests before have done."""
    assert viewer.run("complaints") == []
