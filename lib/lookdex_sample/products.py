"""Products: the attributes of a product's look, derived from its number alone.

Products of a category cycle through its styles, and those of a style through its fabrics, colourways and trims, so that
two products share all four only after a full cycle. The remaining attributes are random.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product as combinations

import numpy as np

from lookdex.taxonomy.categories import CATEGORIES
from lookdex_sample.paint import Colour
from lookdex_sample.textures import Fabric

# Products per category in every hundred, in order.
_IN_A_HUNDRED = (17, 10, 10, 7, 10, 5, 11, 9, 5, 4, 3, 3, 3, 3)


@dataclass(frozen=True)
class Cut:
    """Silhouette and details of a product.

    style: a key of `STYLES`. length, width, flare, sleeve: 0 to 1 within the style's range (sleeve: share of the arm
    covered). neck, closure, pocket, trim: named details. number: seeds small counts (buttons, pleats, lens shape, buckle).
    accent: colour of trims.
    """

    style: str
    length: float
    width: float
    flare: float
    sleeve: float
    neck: str
    closure: str
    pocket: str
    trim: str
    number: int
    accent: Colour


@dataclass(frozen=True)
class Product:
    """A product of the shop. colour: a basic colour name. price: in the shop's currency."""

    product_id: str
    title: str
    category: str
    colour: str
    price: float
    url: str
    cut: Cut
    fabric: Fabric


@dataclass(frozen=True)
class Style:
    """Options of a style: fabrics, details, and ranges of its measures."""

    name: str
    fabrics: tuple[str, ...]
    length: tuple[float, float] = (0, 1)
    width: tuple[float, float] = (0, 1)
    flare: tuple[float, float] = (0, 1)
    sleeve: tuple[float, float] = (0, 0)
    necks: tuple[str, ...] = ("crew",)
    closures: tuple[str, ...] = ("none",)
    pockets: tuple[str, ...] = ("none",)
    trims: tuple[str, ...] = ("none",)
    price: float = 30.0


_PRINTS = ("stripes", "dots", "floral", "abstract", "leopard", "gingham")
_SOFT = ("plain", "plain", "stripes", "dots", "floral", "abstract")
_WOOL = ("plain", "tweed", "herringbone", "houndstooth", "tartan")
_HIDE = ("leather", "leather", "patent", "quilted")

STYLES: dict[str, tuple[Style, ...]] = {
    "top": (
        Style("T-shirt", ("plain", "stripes", "stripes", "dots", "abstract", "camouflage"), (0.4, 0.8), sleeve=(0.25, 0.4), necks=("crew", "vee", "scoop"), pockets=("none", "chest", "badge"), trims=("none", "ringer")),
        Style("shirt", ("plain", "stripes", "gingham", "tartan", "floral", "denim", "dots"), (0.6, 1), sleeve=(0.85, 1), necks=("collar",), closures=("buttons",), pockets=("none", "chest", "two"), trims=("cuffs",), price=45),
        Style("polo shirt", ("plain", "stripes", "argyle"), (0.5, 0.8), sleeve=(0.25, 0.35), necks=("collar",), closures=("placket",), pockets=("none", "badge"), trims=("ringer", "none"), price=38),
        Style("tank top", _SOFT, (0.3, 0.7), necks=("scoop", "vee"), trims=("none", "ringer"), price=18),
        Style("sweater", ("knit", "cable", "knit", "argyle", "stripes"), (0.5, 0.9), (0.4, 1), sleeve=(0.95, 1), necks=("crew", "vee", "roll"), trims=("rib",), price=65),
        Style("hoodie", ("plain", "plain", "camouflage", "abstract", "tweed"), (0.6, 0.9), (0.5, 1), sleeve=(0.95, 1), necks=("hood",), pockets=("kangaroo",), trims=("rib",), closures=("none", "zip"), price=55),
        Style("blouse", ("satin", "floral", "dots", "leopard", "stripes"), (0.4, 0.9), (0.3, 0.9), sleeve=(0.5, 0.95), necks=("vee", "bow", "boat"), trims=("bell", "cuffs"), price=48),
    ),
    "outerwear": (
        Style("blazer", (*_WOOL, "corduroy", "stripes"), (0.25, 0.45), (0, 0.5), sleeve=(1, 1), necks=("lapel",), closures=("buttons",), pockets=("flap", "flap", "welt"), price=120),
        Style("denim jacket", ("denim",), (0.05, 0.2), (0.1, 0.6), sleeve=(1, 1), necks=("collar",), closures=("buttons",), pockets=("two",), trims=("seams",), price=89),
        Style("bomber jacket", ("satin", "leather", "camouflage", "plain"), (0.05, 0.2), (0.4, 1), sleeve=(1, 1), necks=("rib",), closures=("zip",), pockets=("welt",), trims=("rib",), price=99),
        Style("puffer jacket", ("quilted",), (0.1, 0.5), (0.7, 1), sleeve=(1, 1), necks=("stand",), closures=("zip",), pockets=("welt",), trims=("puff",), price=140),
        Style("trench coat", ("plain", "satin", "gingham"), (0.7, 1), (0.2, 0.6), sleeve=(1, 1), necks=("lapel",), closures=("double",), pockets=("flap",), trims=("belt",), price=180),
        Style("wool coat", _WOOL, (0.6, 1), (0.2, 0.7), sleeve=(1, 1), necks=("lapel", "stand"), closures=("double", "buttons"), pockets=("flap", "patch"), price=210),
        Style("biker jacket", ("leather",), (0.02, 0.12), (0, 0.4), sleeve=(1, 1), necks=("lapel",), closures=("zip",), pockets=("zips",), trims=("seams",), price=190),
    ),
    "dress": (
        Style("shift dress", (*_SOFT, "houndstooth", "tweed"), (0.15, 0.45), (0.2, 0.6), (0.05, 0.3), (0.0, 0.35), ("crew", "boat"), pockets=("none", "patch"), price=70),
        Style("A-line dress", (*_PRINTS, "plain"), (0.2, 0.6), (0, 0.2), (0.5, 0.9), (0.0, 0.4), ("scoop", "vee"), trims=("sash", "none"), price=75),
        Style("slip dress", ("satin", "floral", "dots", "leopard"), (0.5, 0.85), (0, 0.2), (0.1, 0.4), necks=("straps",), trims=("none", "lace"), price=68),
        Style("shirt dress", ("plain", "stripes", "gingham", "denim", "tartan"), (0.2, 0.6), (0.2, 0.5), (0.2, 0.4), (0.3, 0.95), ("collar",), ("buttons",), ("chest", "two", "none"), ("sash", "cuffs"), price=80),
        Style("maxi dress", ("floral", "abstract", "plain", "dots"), (0.85, 1), (0, 0.3), (0.5, 1), (0.0, 0.6), ("vee", "straps"), trims=("tiers", "sash", "bell"), price=95),
        Style("sweater dress", ("knit", "cable", "stripes"), (0.15, 0.4), (0.1, 0.4), (0.0, 0.2), (0.95, 1), ("roll", "crew"), trims=("rib",), price=78),
    ),
    "skirt": (
        Style("mini skirt", ("denim", "leather", "tartan", "corduroy", "plain", "leopard"), (0, 0.2), (0, 0.3), (0.2, 0.7), closures=("none", "buttons", "zip"), pockets=("none", "patch"), price=40),
        Style("pencil skirt", (*_WOOL, "leather", "leopard"), (0.4, 0.55), (0, 0.2), (0, 0.08), closures=("none", "slit"), price=50),
        Style("pleated skirt", ("satin", "tartan", "plain", "stripes", "dots"), (0.25, 0.8), (0, 0.2), (0.5, 0.9), trims=("pleats",), price=58),
        Style("A-line skirt", (*_PRINTS, "denim", "plain"), (0.25, 0.7), (0, 0.2), (0.6, 1), closures=("none", "buttons"), pockets=("none", "patch"), price=46),
        Style("tiered maxi skirt", ("floral", "abstract", "plain", "dots"), (0.85, 1), (0, 0.2), (0.6, 1), trims=("tiers",), price=62),
    ),
    "pants": (
        Style("skinny jeans", ("denim",), (0.9, 1), (0, 0.15), (0, 0.1), closures=("fly",), pockets=("jeans",), trims=("none", "ripped", "turn-up"), price=60),
        Style("straight jeans", ("denim",), (0.9, 1), (0.3, 0.5), (0.3, 0.5), closures=("fly",), pockets=("jeans",), trims=("none", "turn-up", "ripped"), price=65),
        Style("wide-leg trousers", ("plain", "stripes", "satin", "herringbone"), (0.95, 1), (0.4, 0.7), (0.8, 1), closures=("fly",), pockets=("slant",), trims=("crease",), price=70),
        Style("chinos", ("plain", "corduroy", "tartan", "houndstooth"), (0.88, 0.98), (0.2, 0.5), (0.15, 0.35), closures=("fly",), pockets=("slant",), trims=("none", "turn-up", "crease"), price=55),
        Style("joggers", ("plain", "camouflage", "tweed"), (0.9, 0.97), (0.4, 0.7), (0.05, 0.2), closures=("cord",), pockets=("slant",), trims=("rib", "side stripe"), price=45),
        Style("cargo trousers", ("plain", "camouflage"), (0.9, 1), (0.5, 0.8), (0.3, 0.5), closures=("fly",), pockets=("cargo",), price=68),
        Style("palazzo pants", ("floral", "abstract", "leopard", "dots"), (0.95, 1), (0.5, 0.8), (0.9, 1), closures=("cord",), price=52),
    ),
    "shorts": (
        Style("denim shorts", ("denim",), (0.16, 0.3), (0.2, 0.6), (0.2, 0.5), closures=("fly",), pockets=("jeans",), trims=("ripped", "turn-up", "none"), price=35),
        Style("bermuda shorts", ("plain", "tartan", "gingham", "stripes", "camouflage"), (0.4, 0.5), (0.3, 0.6), (0.2, 0.5), closures=("fly",), pockets=("slant", "cargo"), trims=("turn-up", "none"), price=39),
        Style("running shorts", ("satin", "plain", "abstract"), (0.18, 0.32), (0.4, 0.8), (0.5, 0.9), closures=("cord",), trims=("side stripe", "ringer"), price=28),
        Style("tailored shorts", (*_WOOL, "plain", "stripes"), (0.25, 0.4), (0.2, 0.5), (0.2, 0.6), closures=("fly",), pockets=("slant",), trims=("crease", "turn-up"), price=44),
    ),
    "shoes": (
        Style("sneakers", ("leather", "plain", "plain", "camouflage", "leopard", "gingham"), trims=("stripe", "swoosh", "toe cap", "none"), price=80),
        Style("high-top sneakers", ("plain", "denim", "leather", "tartan", "floral"), trims=("toe cap", "star"), price=85),
        Style("pumps", ("patent", "leather", "satin", "leopard"), flare=(0.4, 1), trims=("none", "bow", "ankle strap"), price=95),
        Style("loafers", ("leather", "patent", "plain", "leopard"), trims=("penny", "tassel", "buckle"), price=105),
        Style("ankle boots", ("leather", "leather", "leopard", "patent"), flare=(0.1, 0.8), trims=("elastic", "laces", "zip"), price=130),
        Style("knee boots", ("leather", "patent", "leather"), flare=(0.1, 0.8), trims=("zip", "buckle", "none"), price=160),
        Style("sandals", ("leather", "leather", "patent", "straw"), flare=(0, 0.7), trims=("two straps", "cross", "buckle"), price=60),
    ),
    "bag": (
        Style("tote bag", ("leather", "plain", "stripes", "straw", "tartan", "abstract"), necks=("long", "short"), pockets=("none", "front", "badge"), price=60),
        Style("handbag", ("leather", "patent", "leather", "houndstooth", "leopard"), closures=("flap", "clasp", "zip"), necks=("short",), price=140),
        Style("crossbody bag", ("leather", "quilted", "patent", "denim", "leopard"), closures=("flap", "clasp"), necks=("strap",), trims=("tassel", "none"), price=90),
        Style("backpack", ("plain", "leather", "camouflage", "denim", "tartan", "dots"), pockets=("front", "two"), necks=("backpack",), price=75),
        Style("bucket bag", ("leather", "straw", "leather", "floral"), closures=("cord",), necks=("strap",), trims=("tassel", "none"), price=110),
        Style("clutch", ("satin", "patent", "metal", "leopard", "quilted"), closures=("flap", "clasp"), necks=("wrist",), price=65),
    ),
    "hat": (
        Style("baseball cap", ("plain", "denim", "camouflage", "corduroy", "tartan"), pockets=("badge", "none", "stripe"), price=22),
        Style("beanie", ("knit", "cable", "stripes", "knit"), trims=("pompom", "fold", "fold"), price=20),
        Style("fedora", ("tweed", "straw", "plain", "herringbone"), trims=("band",), price=48),
        Style("sun hat", ("straw", "straw", "plain"), (0.6, 1), trims=("band", "bow"), price=42),
        Style("bucket hat", ("plain", "denim", "floral", "leopard", "gingham", "abstract"), price=26),
        Style("beret", ("plain", "tweed", "houndstooth"), price=24),
    ),
    "glasses": (
        Style("round glasses", ("marble", "metal", "patent"), trims=("clear", "dark", "tinted"), price=95),
        Style("rectangular glasses", ("marble", "metal", "patent"), trims=("clear", "clear", "dark"), price=95),
        Style("aviator sunglasses", ("metal",), trims=("dark", "tinted"), price=120),
        Style("cat-eye sunglasses", ("marble", "patent", "leopard"), trims=("dark", "tinted", "clear"), price=110),
        Style("oversized sunglasses", ("marble", "patent"), trims=("dark", "tinted"), price=110),
    ),
    "belt": (
        Style("leather belt", ("leather", "leather", "patent", "leopard"), width=(0.2, 0.7), necks=("square", "round", "oval", "plate"), trims=("stitch", "none", "studs"), price=35),
        Style("woven belt", ("herringbone", "straw", "tartan", "stripes"), width=(0.3, 0.7), necks=("square", "round", "rings"), trims=("none",), price=28),
        Style("wide waist belt", ("leather", "patent", "satin"), width=(0.8, 1), necks=("square", "round", "oval"), trims=("none", "stitch", "studs"), price=45),
    ),
    "scarf": (
        Style("fringed scarf", ("tartan", "knit", "houndstooth", "tweed", "stripes", "herringbone"), width=(0.3, 1), trims=("fringe",), price=36),
        Style("silk scarf", ("floral", "abstract", "dots", "leopard", "satin", "gingham"), width=(0, 0.5), trims=("border", "none"), price=50),
        Style("chunky knit scarf", ("cable", "knit", "knit"), width=(0.6, 1), trims=("fringe", "pompom"), price=40),
    ),
    "jewelry": (
        Style("pendant necklace", ("metal",), trims=("drop", "disc", "heart", "bar"), price=70),
        Style("bead necklace", ("metal", "patent", "marble"), trims=("graded", "even"), price=45),
        Style("hoop earrings", ("metal",), trims=("plain", "beads"), price=35),
        Style("drop earrings", ("metal", "patent", "marble"), trims=("tear", "disc", "tassel"), price=40),
        Style("bangle", ("metal", "patent", "marble"), trims=("single", "triple", "stones"), price=38),
    ),
    "legwear": (
        Style("tights", ("plain", "dots", "argyle", "abstract", "leopard"), (1, 1), trims=("sheer", "opaque"), price=14),
        Style("knee socks", ("knit", "stripes", "argyle", "plain"), (0.42, 0.5), trims=("band", "bands"), price=12),
        Style("crew socks", ("stripes", "dots", "argyle", "tartan", "floral"), (0.2, 0.26), trims=("heel", "bands"), price=9),
        Style("leggings", ("plain", "abstract", "camouflage", "stripes", "knit"), (0.9, 0.95), trims=("opaque",), price=25),
    ),
}  # fmt: skip

# All products share few colourways: colour alone must not distinguish products.
_COLOURWAYS: tuple[tuple[str, str, Colour, Colour, Colour], ...] = (
    ("Black", "black", (38, 37, 40), (222, 218, 210), (168, 44, 50)),
    ("White", "white", (238, 236, 230), (52, 62, 92), (186, 76, 70)),
    ("Grey", "grey", (140, 142, 146), (64, 66, 72), (226, 222, 214)),
    ("Navy", "blue", (38, 48, 84), (232, 228, 216), (192, 62, 58)),
    ("Sky blue", "blue", (140, 176, 212), (246, 244, 238), (44, 66, 112)),
    ("Red", "red", (182, 42, 48), (244, 236, 224), (40, 40, 62)),
    ("Burgundy", "red", (108, 34, 50), (220, 186, 150), (48, 40, 48)),
    ("Pink", "pink", (226, 158, 172), (250, 240, 234), (128, 52, 84)),
    ("Camel", "brown", (188, 144, 96), (74, 50, 38), (236, 224, 204)),
    ("Brown", "brown", (104, 70, 48), (204, 170, 126), (52, 38, 34)),
    ("Beige", "beige", (216, 202, 178), (122, 96, 72), (88, 104, 96)),
    ("Olive", "green", (102, 104, 62), (206, 196, 150), (56, 48, 38)),
    ("Forest green", "green", (38, 84, 64), (226, 214, 180), (190, 132, 54)),
    ("Mustard", "yellow", (210, 158, 48), (70, 58, 62), (244, 234, 210)),
    ("Orange", "orange", (214, 108, 52), (248, 232, 208), (62, 72, 92)),
    ("Purple", "purple", (104, 70, 130), (226, 208, 226), (222, 168, 70)),
)
_DENIMS = (
    ("Indigo", "blue", (40, 58, 98)), ("Mid-blue", "blue", (84, 116, 160)),
    ("Light blue", "blue", (148, 176, 206)), ("Black", "black", (44, 44, 50)),
    ("Grey", "grey", (126, 130, 136)),
)  # fmt: skip
_METALS = (
    ("Gold", "gold", (214, 170, 84)), ("Silver", "silver", (186, 190, 196)),
    ("Rose-gold", "gold", (214, 150, 126)), ("Gunmetal", "grey", (92, 94, 102)),
)  # fmt: skip
_STRAWS = (
    ("Natural", "beige", (214, 186, 138)), ("Tan", "brown", (178, 134, 84)),
    ("Dark", "brown", (112, 82, 56)), ("White", "white", (232, 224, 206)),
)  # fmt: skip

_NARROW = {"denim": _DENIMS, "metal": _METALS, "straw": _STRAWS}

_PATTERN_WORDS = {
    "stripes": "striped", "gingham": "gingham", "tartan": "tartan", "dots": "polka-dot",
    "knit": "knitted", "cable": "cable-knit", "denim": "denim", "corduroy": "corduroy",
    "tweed": "tweed", "herringbone": "herringbone", "houndstooth": "houndstooth",
    "argyle": "argyle", "abstract": "abstract-print", "camouflage": "camouflage",
    "leopard": "leopard-print", "floral": "floral", "leather": "leather", "patent": "glossy",
    "quilted": "quilted", "straw": "woven straw", "marble": "tortoiseshell", "satin": "satin",
    "metal": "metal",
}  # fmt: skip
_NECK_WORDS = {
    "crew": "crew-neck", "vee": "V-neck", "scoop": "scoop-neck", "roll": "roll-neck",
    "bow": "pussy-bow", "boat": "boat-neck",
}  # fmt: skip


def make_product(seed: int, index: int, category: str | None = None) -> Product:
    """Return product number `index` of the catalogue `seed`; it depends on nothing else.

    category: force one of `CATEGORIES` (else drawn by the shop's shares).

    Raises:
        ValueError: a negative number or an unknown category.
    """
    if index < 0 or seed < 0:
        raise ValueError(f"seed and index must not be negative, got {seed} and {index}")
    if category is not None and category not in CATEGORIES:
        raise ValueError(f"unknown category {category!r}: use one of {', '.join(CATEGORIES)}")
    kind, ordinal = (category, index) if category else _place(seed, index)
    rng = np.random.default_rng(np.random.SeedSequence((seed, index, CATEGORIES.index(kind), 1)))
    turn, number = divmod(ordinal + seed, len(STYLES[kind]))
    style, looks = STYLES[kind][number], _looks(kind, number)
    cloth, (shade, colour, palette), trim = looks[_spread(turn, len(looks), _start(seed, kind, number))]
    if cloth not in _NARROW and rng.random() < 0.3:
        palette = (palette[0], palette[2], palette[1])

    def within(bounds: tuple[float, float]) -> float:
        return round(float(rng.uniform(*bounds)), 3)

    def one_of(names: tuple[str, ...]) -> str:
        return names[rng.integers(len(names))]

    accents = (palette[1], palette[2], (42, 38, 38), (236, 232, 224))
    cut = Cut(
        style.name, within(style.length), within(style.width), within(style.flare),
        within(style.sleeve), one_of(style.necks), one_of(style.closures), one_of(style.pockets),
        trim, int(rng.integers(1 << 16)), accents[rng.integers(4)],
    )  # fmt: skip
    fabric = Fabric(
        cloth, int(rng.choice((4, 6, 8, 10, 12, 16, 20))), int(rng.choice((0, 0, 90, 90, 45))),
        palette, int(rng.integers(1 << 20)),
    )  # fmt: skip
    product_id = f"P{index:06d}"
    price = round(style.price * float(rng.uniform(0.6, 1.8))) - 0.05
    return Product(
        product_id, _title(shade, cloth, cut, kind), kind, colour, round(price, 2),
        f"https://shop.example/{kind}/{product_id.lower()}", cut, fabric,
    )  # fmt: skip


def category_of(seed: int, index: int) -> str:
    """Return the category of product number `index`; the first 14 products cover all categories."""
    return _place(seed, index)[0]


def _place(seed: int, index: int) -> tuple[str, int]:
    """Map product number `index` to its category and its number within that category."""
    hundred, at = divmod(index, 100)
    kinds = _hundred(seed, hundred)
    before = hundred * _IN_A_HUNDRED[kinds[at]] + kinds[:at].count(kinds[at])
    return CATEGORIES[kinds[at]], before


@lru_cache(maxsize=16)
def _hundred(seed: int, number: int) -> tuple[int, ...]:
    """The shuffled categories of a hundred products; the very first ones start with one of each."""
    first = list(range(len(CATEGORIES))) if number == 0 else []
    rest = [kind for kind, count in enumerate(_IN_A_HUNDRED) for _ in range(count - (number == 0))]
    rng = np.random.default_rng(np.random.SeedSequence((seed, number, 0)))
    return (*first, *(int(kind) for kind in rng.permutation(rest)))


@lru_cache
def _looks(
    category: str, style: int
) -> tuple[tuple[str, tuple[str, str, tuple[Colour, Colour, Colour]], str], ...]:
    """All (fabric, colourway, trim) of a category's style."""
    chosen = STYLES[category][style]
    return tuple(
        (cloth, colourway, trim)
        for cloth in dict.fromkeys(chosen.fabrics)
        for colourway, trim in combinations(_colourways(cloth), dict.fromkeys(chosen.trims))
    )


@lru_cache(maxsize=256)
def _start(seed: int, category: str, style: int) -> int:
    """Where a shop starts in a style's looks."""
    return int(np.random.default_rng((seed, CATEGORIES.index(category), style, 2)).integers(1 << 16))


def _spread(number: int, size: int, start: int) -> int:
    """Permute 0 … size - 1 from `start` on, so that consecutive numbers are far apart."""
    step = next(s for s in range(max(1, round(0.382 * size)), size + 1) if math.gcd(s, size) == 1)
    return (number * step + start) % size


def _colourways(cloth: str) -> list[tuple[str, str, tuple[Colour, Colour, Colour]]]:
    """(shade, basic colour, palette) of all colourways of a fabric."""
    if narrow := _NARROW.get(cloth):
        return [(shade, colour, (ground, (232, 226, 214), (60, 52, 48))) for shade, colour, ground in narrow]
    return [(shade, colour, (ground, second, third)) for shade, colour, ground, second, third in _COLOURWAYS]


def _title(shade: str, cloth: str, cut: Cut, category: str) -> str:
    pattern = _PATTERN_WORDS.get(cloth, "")
    if cloth == "patent" and category in ("shoes", "bag", "belt"):
        pattern = "patent leather"
    if set(pattern.replace("-", " ").replace("knitted", "knit").split()) & set(cut.style.split()):
        pattern = ""
    neck = _NECK_WORDS.get(cut.neck, "") if category in ("top", "dress") else ""
    return " ".join(word for word in (shade, pattern, neck, cut.style) if word)
