"""Photos with ground truth: a single product, or a person wearing several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from lookdex_sample import bottoms, scene, tops
from lookdex_sample.bags import bag_parts
from lookdex_sample.belts import belt_parts, rolled_belt_parts
from lookdex_sample.details import Fit
from lookdex_sample.figures import Figure, body_parts, random_figure, standing
from lookdex_sample.geometry import arc, points
from lookdex_sample.headwear import glasses_parts, hat_parts
from lookdex_sample.paint import Canvas, Light, Material, Part, extent
from lookdex_sample.products import Product, make_product
from lookdex_sample.shoes import pair_parts, shoe_parts
from lookdex_sample.trinkets import jewelry_parts, on_torso, scarf_parts

PRODUCT_SIZES = ((480, 640), (480, 600), (512, 640), (560, 560), (448, 640))
LOOK_SIZES = ((640, 960), (640, 960), (600, 900), (672, 960))

_MIN_SEEN = 0.35
_MIN_PLAIN = (0.15, 0.004)  # or this share of it, if it fills this share of the picture
_MIN_SIDE = 12

_GARMENTS = {
    "top": tops.top_parts, "outerwear": tops.coat_parts, "dress": tops.dress_parts,
    "skirt": bottoms.skirt_parts, "pants": bottoms.trouser_parts,
    "shorts": bottoms.trouser_parts, "legwear": bottoms.legwear_parts,
}  # fmt: skip


@dataclass(frozen=True)
class TrueObject:
    """An object of a photo.

    box: (x0, y0, x1, y1) whole pixels around its visible part, x1 and y1 exclusive. product_id: "" for things that are not
    in the catalogue (the model's own shoes).
    """

    box: tuple[int, int, int, int]
    category: str
    product_id: str


@dataclass(frozen=True)
class Photo:
    """image: an upright RGB picture. objects: everything worn or shown in it."""

    image: Image.Image
    objects: tuple[TrueObject, ...]


def render_product(product: Product, seed: int, view: int = 0, size: tuple[int, int] | None = None) -> Photo:
    """Return a catalogue photo (`size` is width, height): studio, flat lay, hanging or worn.

    Photos of one product differ by `view`. Deterministic in all arguments.
    """
    number = int(product.product_id[1:])
    rng = np.random.default_rng(np.random.SeedSequence((seed, number, view, 2)))
    size = size or PRODUCT_SIZES[rng.integers(len(PRODUCT_SIZES))]
    mood = rng.random()
    if mood < (0.16 if view == 0 else 0.5):
        return _worn_photo(product, rng, size, (seed, number))
    hangable = product.category in ("top", "outerwear", "dress", "skirt", "pants", "bag")
    if mood < 0.66:
        backdrop, shadow = scene.studio(rng, size), 0.28
    elif mood < 0.84 or not hangable:
        backdrop, shadow = scene.flat_lay(rng, size), 0.5
    else:
        backdrop, shadow = scene.wall(rng, size), 0.42
    parts = [replace(part, owner=1) for part in still_parts(product, rng)]
    if hangable and mood >= 0.84:
        parts += _hanger(product)
    tilt = float(rng.normal(0, 0.05 if mood < 0.66 else 0.12 if mood < 0.84 else 0.01))
    parts = [part.placed((0.0, 0.0), turn=tilt) for part in parts]
    light = scene.random_light(rng, vivid=False)
    canvas = _framed(backdrop, parts, float(rng.uniform(0.70, 0.92)), light, rng)
    reach = 0.06 * (extent(parts)[3] - extent(parts)[1]) / 2.5
    canvas.cast(parts, (-light.x * reach, -light.y * reach), reach, shadow)
    canvas.paint(parts)
    return _finish(canvas, [product], rng, vivid=False)


def render_look(products: Sequence[Product], seed: int, size: tuple[int, int] | None = None) -> Photo:
    """Return a street or indoor photo of a person wearing `products` (`size`: width, height).

    Raises:
        ValueError: no products, or more than 250.
    """
    if not 0 < len(products) <= 250:
        raise ValueError(f"a look wears 1 to 250 products, got {len(products)}")
    numbers = tuple(int(product.product_id[1:] or 0) for product in products)
    rng = np.random.default_rng(np.random.SeedSequence((seed, *numbers, 3)))
    size = size or LOOK_SIZES[rng.integers(len(LOOK_SIZES))]
    backdrop = scene.place(rng, size)
    return _person(products, rng, size, backdrop, vivid=True)


def pick_outfit(products: Mapping[str, Sequence[Product]], rng: np.random.Generator) -> list[Product]:
    """Choose products, by category, that can all be seen when worn together."""

    def have(category: str, chance: float) -> list[str]:
        return [category] if products.get(category) and rng.random() < chance else []

    kind = rng.random()
    if kind < 0.36:
        chosen = have("dress", 1.0) + have("legwear", 0.35)
        belt = 0.3
    else:
        legs = ("pants", "pants", "skirt", "shorts")[rng.integers(4)]
        chosen = have("top", 1.0) + have(legs, 1.0)
        belt = 0.35 if legs != "skirt" else 0.25
        if legs != "pants":
            chosen += have("legwear", 0.4)
    coat = have("outerwear", 0.28)
    neck = rng.random()
    chosen += coat + (have("belt", belt) if not coat and neck >= 0.2 else [])
    if neck < 0.2 and not coat:
        chosen += have("scarf", 1.0)
    elif neck < 0.45 and not coat:
        chosen += have("jewelry", 1.0)
    chosen += have("shoes", 0.9) + have("bag", 0.45) + have("hat", 0.3) + have("glasses", 0.35)
    picked = {name: products[name][int(rng.integers(len(products[name])))] for name in chosen}
    if "legwear" in picked and _covered(picked):
        del picked["legwear"]
    return list(picked.values())


def _covered(picked: Mapping[str, Product]) -> bool:
    """Whether a long skirt or tall boots would hide the legwear."""
    skirt = picked.get("dress") or picked.get("skirt")
    if skirt is not None and skirt.cut.length > 0.55:
        return True
    boots = "shoes" in picked and "boots" in picked["shoes"].cut.style
    return boots and "socks" in picked["legwear"].cut.style


def still_parts(product: Product, rng: np.random.Generator) -> list[Part]:
    """Return a product lying, standing or hanging on its own."""
    kind = product.category
    if kind in _GARMENTS:
        figure = standing(float(rng.uniform(0.2, 0.5)), float(rng.uniform(0.03, 0.09)))
        return _GARMENTS[kind](product, figure, Fit(0, open=bool(product.cut.number % 2), empty=True))
    if kind == "shoes":
        return pair_parts(
            shoe_parts(product), float(rng.uniform(0.1, 0.3)), float(rng.uniform(0.3, 0.45)), 0.12
        )
    if kind == "belt":
        return rolled_belt_parts(product)
    return {
        "bag": bag_parts, "hat": hat_parts,
        "glasses": glasses_parts, "scarf": scarf_parts,
        "jewelry": jewelry_parts,
    }[kind](product)  # fmt: skip


def worn_parts(product: Product, figure: Figure, fit: Fit, side: int) -> list[Part]:
    """Return a product on a figure; `side` is the hand that holds or wears it."""
    kind = product.category
    if kind in _GARMENTS:
        return _GARMENTS[kind](product, figure, fit)
    parts: list[Part] = []
    if kind == "shoes":
        for foot in (-1, 1):
            ankle = figure.leg(foot)[2]
            parts += [
                part.placed(ankle, figure.build * 1.02, flip=figure.foot_flip(foot))
                for part in shoe_parts(product)
            ]
    elif kind in ("hat", "glasses"):
        make = hat_parts if kind == "hat" else glasses_parts
        parts = [part.placed(figure.head, turn=figure.head_tilt) for part in make(product)]
    elif kind == "bag":
        parts = _carried(product, figure, side)
    elif kind == "jewelry" and "earrings" in product.cut.style:
        parts = [part.placed(figure.head, turn=figure.head_tilt) for part in jewelry_parts(product)]
    elif kind == "jewelry" and product.cut.style == "bangle":
        wrist = figure.arm(side)[2]
        way = wrist - figure.arm(side)[1]
        turn = float(-np.arctan2(way[0], way[1]))
        parts = [part.placed(wrist, 1.15, turn, z=4) for part in jewelry_parts(product)]
    else:
        if kind == "belt":
            upright = belt_parts(product, figure.build)
        else:
            upright = scarf_parts(product) if kind == "scarf" else jewelry_parts(product)
        parts = on_torso(upright, figure.torso)
    return [replace(part, owner=fit.owner) for part in parts]


def _carried(product: Product, figure: Figure, side: int) -> list[Part]:
    parts = bag_parts(product)
    if product.cut.neck == "strap":  # over the shoulder, the bag at the other hip
        drop = 0.95
        hip = figure.torso([(side * 0.72 * figure.build, 0.0)])[0]
        bag = [part.placed(hip - (0, drop), z=0) for part in parts if part.z >= 46]
        shoulder = figure.torso([(-side * 0.45, -2.36)])[0]
        strap = next(part for part in parts if part.z == 45.5)
        return [
            replace(strap, lines=(np.vstack([shoulder, hip + (-side * 0.35, 0.08)]),), z=42.5),
            *bag,
        ]
    hand = figure.arm(side)[3] - (0, 0.2)
    if product.cut.neck == "long":
        hand = figure.torso([(side * 0.84 * figure.build, -1.0)])[0]
    return [part.placed(hand) for part in parts]


def _worn_photo(
    product: Product, rng: np.random.Generator, size: tuple[int, int], key: tuple[int, int]
) -> Photo:
    """A catalogue photo on a model who also wears things that are not for sale."""
    with_it = {
        "top": ("pants", "shoes"), "outerwear": ("top", "pants", "shoes"), "dress": ("shoes",),
        "skirt": ("top", "shoes"), "pants": ("top", "shoes"), "shorts": ("top", "shoes"),
        "shoes": ("pants",), "bag": ("top", "pants"), "hat": ("top",), "glasses": ("top",),
        "belt": ("pants", "top"), "scarf": ("top", "pants"), "jewelry": ("top",),
        "legwear": ("skirt", "shoes"),
    }[product.category]  # fmt: skip
    others = [
        replace(make_product(key[0], key[1] * 8 + i + 1_000_000_000, category), product_id="")
        for i, category in enumerate(with_it)
    ]
    backdrop = scene.studio(rng, size) if rng.random() < 0.75 else scene.wall(rng, size)
    return _person([product, *others], rng, size, backdrop, vivid=False)


def _person(
    products: Sequence[Product], rng: np.random.Generator, size: tuple[int, int],
    backdrop: scene.Backdrop, vivid: bool,
) -> Photo:  # fmt: skip
    figure = random_figure(rng)
    kinds = {product.category for product in products}
    if "hat" in kinds and figure.hair_style in ("afro", "bun"):
        figure = replace(figure, hair_style="long")
    side = 1 if rng.random() < 0.5 else -1
    if "bag" in kinds:
        straight = (0.34, 0.14)
        figure = replace(figure, arms=(straight, figure.arms[1]) if side < 0 else (figure.arms[0], straight))
    tucked = "belt" in kinds or rng.random() < 0.35
    parts = body_parts(figure, hands_over=True)
    worn: list[Part] = []
    for number, product in enumerate(products, start=1):
        fit = Fit(number, tucked=tucked, open=bool(kinds & {"top", "dress"}), under="outerwear" in kinds)
        worn += worn_parts(product, figure, fit, side)
    parts += worn
    light = scene.random_light(rng, vivid)
    canvas = _posed(backdrop, parts, worn, figure, products, light, rng, vivid)
    floor = float(max(figure.leg(-1)[2][1], figure.leg(1)[2][1])) + 0.3
    if backdrop.floor is not None:
        canvas.cast(parts, (0.0, 0.0), 0.12, 0.34, squash=(floor, 0.16))
        canvas.cast(
            [Part(Material(), 0, fills=(arc(0, floor - 0.02, 0.95, 0.12, 0, 360),))],
            (0, 0),
            0.1,
            0.42,
        )
    else:
        canvas.cast(parts, (-light.x * 0.25, 0.1), 0.25, 0.2)
    canvas.paint(parts)
    return _finish(canvas, products, rng, vivid)


def _posed(
    backdrop: scene.Backdrop, parts: list[Part], worn: list[Part], figure: Figure,
    products: Sequence[Product], light: Light, rng: np.random.Generator, vivid: bool,
) -> Canvas:  # fmt: skip
    """Frame a person: full length, or closer to the products."""
    height, width = backdrop.pixels.shape[:2]
    whole = extent(parts)
    if vivid:
        near = extent(worn)
        top, low = min(near[1], float(figure.head[1]) - 0.65), max(near[3], 0.4)
    else:
        near = extent([part for part in worn if part.owner == 1])
        room = 0.3 + 0.12 * (near[3] - near[1])
        top, low = max(near[1] - room, whole[1]), min(near[3] + room, whole[3])
        if low - top < 1.6:
            top, low = top - 0.4, low + 0.4
        if products[0].category in ("bag", "jewelry"):  # include some of the person
            near = (min(near[0], -0.5), near[1], max(near[2], 0.5), near[3])
    tall = low - top
    scale = height / tall * float(rng.uniform(0.84, 0.96))
    wide = max(whole[2] - whole[0], 0.1) if vivid else near[2] - near[0]
    scale = min(scale, width * 0.96 / wide)
    middle = (whole[0] + whole[2]) / 2 if vivid else (near[0] + near[2]) / 2
    slack = (width - wide * scale) / 2
    x = width / 2 - middle * scale + float(rng.uniform(-0.6, 0.6)) * max(slack, 0)
    room = height - tall * scale
    y = -top * scale + room * float(rng.uniform(0.35, 0.75))
    return Canvas(backdrop.pixels, scale, (x, y), light, rng)


def _framed(
    backdrop: scene.Backdrop, parts: Iterable[Part], fill: float, light: Light,
    rng: np.random.Generator,
) -> Canvas:  # fmt: skip
    """Fit parts into the centre of a picture."""
    height, width = backdrop.pixels.shape[:2]
    x0, y0, x1, y1 = extent(parts)
    scale = fill * min(width / (x1 - x0), height / (y1 - y0))
    slack = (width - (x1 - x0) * scale, height - (y1 - y0) * scale)
    shift = rng.uniform(0.4, 0.6, 2)
    origin = (slack[0] * shift[0] - x0 * scale, slack[1] * shift[1] - y0 * scale)
    return Canvas(backdrop.pixels, scale, origin, light, rng)


def _hanger(product: Product) -> list[Part]:
    """A wooden hanger with its hook behind the product, or a peg for bags."""
    wood, steel = Material((170, 124, 82), gloss=0.2), Material((160, 162, 166), gloss=0.8)
    if product.category == "bag":
        return [Part(steel, 60, fills=(arc(0, 0.0, 0.09, 0.09, 0, 360),))]
    y = -0.86 if product.category in ("pants", "skirt") else -2.55
    bar = points([(-0.62, y + 0.18), (0, y), (0.62, y + 0.18)])
    hook = np.vstack([points([(0, y), (0, y - 0.2)]), arc(0.1, y - 0.32, 0.1, 0.12, 180, 400)])
    return [Part(wood, 14, lines=(bar,), width=0.11), Part(steel, 14.5, lines=(hook,), width=0.035)]


def _finish(canvas: Canvas, products: Sequence[Product], rng: np.random.Generator, vivid: bool) -> Photo:
    objects = []
    for number, product in enumerate(products, start=1):
        box, share, area = canvas.visible(number)
        plain = share >= _MIN_PLAIN[0] and area >= _MIN_PLAIN[1]
        if box is None or not (share >= _MIN_SEEN or plain):
            continue
        if min(box[2] - box[0], box[3] - box[1]) < _MIN_SIDE:
            continue
        objects.append(TrueObject(box, product.category, product.product_id))
    return Photo(scene.develop(canvas.pixels, canvas.light, rng, vivid), tuple(objects))
