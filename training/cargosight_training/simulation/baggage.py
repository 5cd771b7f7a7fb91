"""Whole bags: contents, threats, exposure, picture, boxes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_models.errors import UsageError
from cargosight_models.geometry import Affine
from cargosight_models.labels import Annotations, ClassSet
from cargosight_training.simulation import blades, electronics, fields, goods, smalls, vessels, weapons
from cargosight_training.simulation.bags import Bag, choose_bag, draw_bag
from cargosight_training.simulation.canvas import Canvas, Pen, Plane
from cargosight_training.simulation.detector import choose_detector, expose
from cargosight_training.simulation.looks import choose_look, clear_of, show

Rng = np.random.Generator
Builder = Callable[[Pen, Rng], object]

BAGGAGE_CLASSES = ClassSet(
    (
        "knife",
        "scissors",
        "gun",
        "bullet",
        "baton",
        "hammer",
        "wrench",
        "pliers",
        "handcuffs",
        "lighter",
        "lighter_fuel",
        "pressure_can",
        "spray_bottle",
        "powerbank",
        "battery",
        "slingshot",
        "firecrackers",
        "nail_polish",
    )
)
ITEMS: Mapping[str, Builder] = MappingProxyType(
    {
        "knife": blades.knife,
        "scissors": blades.scissors,
        "gun": weapons.gun,
        "bullet": weapons.bullet,
        "baton": weapons.baton,
        "hammer": blades.hammer,
        "wrench": blades.wrench,
        "pliers": blades.pliers,
        "handcuffs": weapons.handcuffs,
        "lighter": vessels.lighter,
        "lighter_fuel": vessels.lighter_fuel,
        "pressure_can": vessels.pressure_can,
        "spray_bottle": vessels.spray_bottle,
        "powerbank": vessels.powerbank,
        "battery": vessels.battery,
        "slingshot": weapons.slingshot,
        "firecrackers": weapons.firecrackers,
        "nail_polish": vessels.nail_polish,
    }
)
SIZES = ((640, 480), (640, 448), (640, 400), (608, 512), (560, 480), (512, 512), (480, 600), (640, 340))
_SEVERAL = {"bullet": 5, "battery": 4, "lighter": 2, "knife": 2, "scissors": 2, "nail_polish": 2}
_GOODS: tuple[tuple[Builder, float], ...] = (
    (goods.book, 1.1),
    (goods.shoe, 0.6),
    (goods.fruit, 0.8),
    (goods.packet, 1.4),
    (goods.drink, 1.0),
    (goods.toiletry, 1.2),
    (goods.belt, 0.4),
    (goods.umbrella, 0.8),
    (goods.mug, 0.5),
    (smalls.glasses, 0.6),
    (smalls.pens, 0.9),
    (smalls.keys, 0.7),
    (smalls.coins, 0.8),
    (smalls.cutlery, 0.4),
    (smalls.chain, 0.4),
    (smalls.screwdriver, 0.25),
    (smalls.watch, 0.35),
    (electronics.phone, 0.8),
    (electronics.gadget, 0.7),
    (electronics.charger, 0.8),
    (electronics.cable, 1.1),
    (electronics.earphones, 0.6),
    (electronics.camera, 0.3),
    (electronics.hair_dryer, 0.2),
    (electronics.disc_drive, 0.2),
)
_LITTLE: tuple[Builder, ...] = (smalls.zip_pull, smalls.ring_clip, smalls.zip_pull)
_LEAST_CONTRAST = 0.012  # of full brightness
_LEAST_SHARE = 0.35
_LEAST_SIDE = 4


@dataclass(frozen=True, kw_only=True)
class BagSettings:
    """What bags are made.

    Attributes:
        clean_share: share of bags in which nothing is hidden, in [0, 1]; a laptop's cells are boxed all the
            same.
        classes: the classes of threats to draw from.
        size: (width, height) in pixels of every picture; None draws a usual size for each.
        grey_share: share of grey pictures, in [0, 1].
        laptop_share: share of the bags wide enough for one (330 mm, about seven of eight) with a laptop, whose
            cells are boxed as a battery, in [0, 1].
    """

    clean_share: float = 0.3
    classes: tuple[str, ...] = BAGGAGE_CLASSES.names
    size: tuple[int, int] | None = None
    grey_share: float = 0.2
    laptop_share: float = 0.2

    def __post_init__(self) -> None:
        for name in ("clean_share", "grey_share", "laptop_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"{name} is {getattr(self, name)}; expected a share from 0 to 1")
        if not self.classes:
            raise UsageError("no classes were given; name at least one, or leave the setting out for all")
        for name in self.classes:
            BAGGAGE_CLASSES.index(name)
        if self.size is not None and not (
            len(self.size) == 2 and all(isinstance(side, int) and 96 <= side <= 4096 for side in self.size)
        ):
            sides = " x ".join(str(side) for side in self.size)
            raise UsageError(f"the size is {sides} pixels; expected two whole numbers from 96 to 4096")


@dataclass(frozen=True, eq=False)
class SimulatedBag:
    """One simulated scan.

    Attributes:
        transmission: float32 (H, W, 2) in [0, 1], channel 0 the higher energy.
        picture: what a scanner would show: uint8 (H, W, 3) RGB or (H, W) grey.
        annotations: boxes of the visible parts of all threats, class ids of `BAGGAGE_CLASSES`.
        look: name of the look.
        bag: kind of bag.
    """

    transmission: Plane
    picture: npt.NDArray[np.uint8]
    annotations: Annotations
    look: str
    bag: str


@dataclass(frozen=True, eq=False)
class _Placed:
    """An item by itself: its optical depth (2, h, w) with the upper left corner (x, y) of its window."""

    name: str
    x: int
    y: int
    depth: Plane


def simulate_bag(seed: int, index: int = 0, settings: BagSettings | None = None) -> SimulatedBag:
    """Return bag number `index` of the series `seed`; the same numbers always give the same bag.

    Raises:
        UsageError: the seed or the index is below 0.
    """
    if min(seed, index) < 0:
        raise UsageError(f"the seed is {seed} and the index {index}; expected 0 or more")
    settings = BagSettings() if settings is None else settings
    # Streams of their own: how much randomness the noise takes depends on the last bit of the signal, and must not
    # decide what the next step draws.
    rng, showing, noise = (np.random.default_rng([seed, index, stream]) for stream in range(3))
    width, height = settings.size or SIZES[int(rng.integers(len(SIZES)))]
    canvas = Canvas(width, height)
    scene = _Scene(canvas, rng)
    bag = choose_bag(rng)
    pen = _stand(canvas, rng, bag)
    scene.pack(pen, bag, settings)
    if rng.random() < 0.25:
        scene.neighbour(pen, bag)
    if rng.random() >= settings.clean_share:
        scene.hide_threats(pen, bag, settings)
    annotations = scene.visible()
    transmission = expose(np.maximum(canvas.depth, np.float32(0.0)), choose_detector(showing), noise)
    look = choose_look(showing, grey_share=settings.grey_share)
    look = clear_of(look, annotations.boxes, width, height)
    return SimulatedBag(transmission, show(transmission, look, showing), annotations, look.name, bag.kind)


def visible_box(total: Plane, own: Plane) -> tuple[int, int, int, int] | None:
    """Return the box of what can be seen of an item, None when that is too little to ask for it.

    A pixel shows the item when taking it out would change the brightness of either energy by more than about
    what an eye finds in the noise. At least 35 % of the item's pixels must show.

    Args:
        total: optical depth (2, h, w) of everything in the item's window.
        own: of the item alone.

    Returns:
        x1, y1, x2, y2 in pixels of the window, pixel-edge coordinates.
    """
    shows = (np.exp(own - total) - np.exp(-total) > _LEAST_CONTRAST).any(axis=0)
    there = (own > 2 * _LEAST_CONTRAST).any(axis=0)
    left, top, across, down = cv2.boundingRect(shows.astype(np.uint8))
    if min(across, down) < _LEAST_SIDE or shows.sum() < _LEAST_SHARE * there.sum():
        return None
    return left, top, left + across, top + down


def _stand(canvas: Canvas, rng: Rng, bag: Bag) -> Pen:
    """Return a pen at the bag's middle, scaled so that the bag fills most of the picture."""
    angle = float(rng.normal(0.0, 0.12)) if rng.random() < 0.65 else float(rng.uniform(-np.pi, np.pi))
    if canvas.height > canvas.width:
        angle += np.pi / 2
    cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
    across, down = bag.width * cos + bag.height * sin, bag.width * sin + bag.height * cos
    fit = min(canvas.width / across, canvas.height / down)
    scale = float(fit * rng.uniform(0.68, 1.05))
    x = canvas.width / 2 + rng.normal(0.0, 0.04) * canvas.width
    y = canvas.height / 2 + rng.normal(0.0, 0.04) * canvas.height
    mirror = rng.choice([-1.0, 1.0], 2)
    place = Affine(np.array([[scale * mirror[0], 0.0, x], [0.0, scale * mirror[1], y]]))
    return Pen(canvas, place).at(0.0, 0.0, angle)


class _Scene:
    """A canvas with what was put on it."""

    def __init__(self, canvas: Canvas, rng: Rng) -> None:
        self._canvas, self._rng = canvas, rng
        self._placed: list[_Placed] = []
        margin = 64
        rows, columns = canvas.height + margin, canvas.width + margin
        scale = canvas.width / 600.0
        self._fabrics = goods.Fabrics(
            fields.cloth(rng, rows, columns, scale), fields.grains(rng, rows, columns, 6 * scale), margin
        )

    def pack(self, pen: Pen, bag: Bag, settings: BagSettings) -> None:
        """Draw a bag with its harmless contents."""
        rng = self._rng
        draw_bag(pen, rng, bag, self._fabrics)
        full = rng.uniform(0.25, 1.6)
        for _ in range(rng.poisson(bag.clothes * full)):
            size = rng.uniform(0.35, 0.9, 2) * (bag.width, bag.height)
            goods.garment(self._spot(pen, bag, 0.25), rng, self._fabrics, float(size[0]), float(size[1]))
        if rng.random() < 0.25 * full:
            goods.heap(self._spot(pen, bag, 0.6), rng, self._fabrics)
        if rng.random() < settings.laptop_share and bag.width > 330:
            self._laptop(self._spot(pen, bag, 0.12, turn=0.08))
        area = bag.width * bag.height / (480 * 360)
        weights = np.array([weight for _, weight in _GOODS])
        picks = rng.choice(
            len(_GOODS), min(int(rng.poisson(11 * full * area)), 28), p=weights / weights.sum()
        )
        for pick in picks.tolist():
            _GOODS[pick][0](self._spot(pen, bag, 0.75), rng)
        for _ in range(int(rng.integers(3, 14))):
            _LITTLE[int(rng.integers(len(_LITTLE)))](self._spot(pen, bag, 1.0), rng)

    def neighbour(self, pen: Pen, bag: Bag) -> None:
        """Let a part of the next bag on the belt show at one side."""
        rng = self._rng
        other = choose_bag(rng)
        gap = (bag.width + other.width) / 2 + rng.uniform(-20, 90)
        place = pen.at(gap * float(rng.choice([-1.0, 1.0])), rng.uniform(-120, 120), rng.uniform(-0.5, 0.5))
        draw_bag(place, rng, other, self._fabrics)
        for pick in rng.integers(len(_GOODS), size=4).tolist():
            _GOODS[pick][0](self._spot(place, other, 0.7), rng)

    def hide_threats(self, pen: Pen, bag: Bag, settings: BagSettings) -> None:
        """Put one to four kinds of threats into a bag."""
        rng = self._rng
        kinds = min(1 + int(rng.poisson(0.8)), 4, len(settings.classes))
        for name in rng.choice(settings.classes, kinds, replace=False).tolist():
            several = _SEVERAL.get(name, 1)
            count = 1 if rng.random() < 0.6 else int(rng.integers(1, several + 1))
            for _ in range(count):
                spot = self._spot_in_picture(pen, bag)
                lean = float(np.clip(abs(rng.normal(0.0, 0.42)), 0.0, 0.6 if name == "gun" else 1.05))
                self._put(name, spot.tilted(lean, rng.uniform(0.0, np.pi)), ITEMS[name])

    def visible(self) -> Annotations:
        """Return the boxes of what can be seen of the items; what hardly shows is taken out of the canvas."""
        boxes, names = [], []
        for item in self._placed:
            height, width = item.depth.shape[1:]
            window = self._canvas.depth[:, item.y : item.y + height, item.x : item.x + width]
            box = visible_box(window, item.depth)
            if box is None:
                window -= item.depth
                continue
            boxes.append((item.x + box[0], item.y + box[1], item.x + box[2], item.y + box[3]))
            names.append(BAGGAGE_CLASSES.index(item.name))
        if not boxes:
            return Annotations.empty()
        return Annotations(np.array(boxes, dtype=np.float32), np.array(names, dtype=np.int64))

    def _laptop(self, spot: Pen) -> None:
        rng = self._rng
        x, y, width, height = electronics.laptop(spot, rng)
        self._put("battery", spot.at(x, y), lambda pen, r: electronics.laptop_cells(pen, r, width, height))

    def _put(self, name: str, spot: Pen, builder: Builder) -> None:
        alone = Canvas(self._canvas.width, self._canvas.height)
        builder(Pen(alone, spot.affine, spot.gain), self._rng)
        x, y, width, height = cv2.boundingRect((alone.depth[1] > 1e-4).astype(np.uint8))
        if width == 0 or height == 0:
            return
        depth = alone.depth[:, y : y + height, x : x + width].copy()
        self._canvas.depth[:, y : y + height, x : x + width] += depth
        self._placed.append(_Placed(name, x, y, depth))

    def _spot(self, pen: Pen, bag: Bag, spread: float, *, turn: float | None = None) -> Pen:
        """Return a pen in the bag; `spread` is the share of the room over which the middle may lie."""
        rng = self._rng
        x, y = rng.uniform(-0.5, 0.5, 2) * spread * (bag.width, bag.height)
        if turn is None:
            turn = np.pi if rng.random() < 0.6 else 0.25
        angle = rng.uniform(-turn, turn) + (np.pi if rng.random() < 0.5 else 0.0)
        return pen.at(float(x), float(y), float(angle), float(np.exp(rng.normal(0.0, 0.08))))

    def _spot_in_picture(self, pen: Pen, bag: Bag) -> Pen:
        """Return a pen in the bag whose middle is well inside the picture."""
        for _ in range(8):
            spot = self._spot(pen, bag, 0.75)
            x, y = spot.affine.matrix[:, 2] / (self._canvas.width, self._canvas.height)
            if 0.1 < x < 0.9 and 0.12 < y < 0.88:
                break
        return spot
