"""Training pairs of lookdex-tiny's embedder: two views of a thing, rendered and real, with labels and captions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lookdex.imaging import boxes, colour
from lookdex.records import Box
from lookdex.taxonomy.categories import CATEGORIES
from lookdex.taxonomy.word_lists import korean_names
from lookdex.training import rendered, sources
from lookdex.training.embedder.fit import Batch
from lookdex.training.embedder.tower import Pictures
from lookdex.training.scenes import Scene
from lookdex_sample import Product, make_product
from lookdex_tiny.crops import Crops, Place
from lookdex_tiny.lookalikes import Lookalikes
from lookdex_tiny.masks import Masks

KOREAN = 0.35  # share of captions with a colour that are Korean
STRENGTH = 0.85  # augmentation strength of real things
RENDERED_STRENGTH = 0.8  # of rendered ones
ALIKE_STRENGTH = 0.35  # of rendered ones among look-alikes: more would make two greens equal
LABELS = tuple(sources.LABEL_CATEGORY)
# Names used in captions instead of labels that people would not write.
_WORDS = {"Longsleeve": "long sleeve top", "Undershirt": "tank top", "Outwear": "jacket", "Body": "bodysuit"}


@dataclass(frozen=True, slots=True)
class Mix:
    """Number of pairs per source in a batch."""

    rendered: int = 10
    garments: int = 8
    street: int = 4
    categories: int = 1  # categories of rendered pairs; few, so that neighbours are negatives

    @property
    def pictures(self) -> int:
        """Pictures per batch: two per pair."""
        return 2 * (self.rendered + self.garments + self.street)

    def sized(self, pictures: int) -> Mix:
        """The same proportions for a batch of about `pictures`, with at least one pair per source."""
        times = pictures / self.pictures
        return Mix(
            *(max(1, round(times * n)) for n in (self.rendered, self.garments, self.street, self.categories))
        )


class Pairs:
    """Draws batches. The rendered folder may still grow: `refresh` reads it again.

    Args:
        tagged: COCO file with boxes of street photos that have tags but no masks (`pseudo`); skipped if missing.
        lookalikes: of the rendered products; if given, the rendered products of a category are look-alikes of one of
            them.
    """

    def __init__(
        self, data: Path, folder: Path, seed: int, crops: Crops, mix: Mix, rng: np.random.Generator,
        tagged: Path | None = None, lookalikes: Lookalikes | None = None,
    ) -> None:  # fmt: skip
        self._folder, self._seed, self._crops, self._mix, self._rng = folder, seed, crops, mix, rng
        self._lookalikes = lookalikes
        self._garments, _ = sources.garments(data / "clothing")
        by_label: dict[str, list[int]] = defaultdict(list)
        for i, garment in enumerate(self._garments):
            by_label[garment.label].append(i)
        counts = {label: len(found) for label, found in by_label.items()}
        odds = np.array(
            [counts[g.label] ** -0.5 for g in self._garments]
        )  # oversample rare labels, but not to equality
        self._garment_odds = odds / odds.sum()
        self._masks = Masks.load(data / "ccp")
        self._street = _things(sources.street(data / "ccp")[0])
        self._tags = {
            place: tag for place, _, tag in self._street
        }  # named as in the masks: only these have masks
        if tagged is not None and tagged.is_file():
            self._street += _things(sources.coco(tagged, data / "ccp" / "unboxed" / "photos"))
        self._products: dict[str, Product] = {}
        self._colours: dict[Place, str] = {}
        self.refresh()

    def refresh(self) -> None:
        catalogue, looks = rendered.load(self._folder)
        places: dict[str, tuple[list[Place], list[Place]]] = defaultdict(lambda: ([], []))
        for side, scenes in enumerate((catalogue, looks)):
            for scene in scenes:
                for box, product in zip(scene.boxes, scene.product_ids, strict=True):
                    if product:
                        places[product][side].append(Place.create(scene.path, box))
        self._places = places
        self._by_category: dict[str, list[str]] = defaultdict(list)
        for product_id, (catalogue_places, worn) in places.items():
            if product_id not in self._products:
                self._products[product_id] = make_product(self._seed, int(product_id[1:]))
            if catalogue_places and len(catalogue_places) + len(worn) > 1:
                self._by_category[self._products[product_id].category].append(product_id)

    def batch(self) -> Batch:
        first, second, thing, label, category, weight, captions = [], [], [], [], [], [], []
        strength = RENDERED_STRENGTH if self._lookalikes is None else ALIKE_STRENGTH
        for product_id in self._some_products():
            a, b = self._two_places(product_id)
            product = self._products[product_id]
            first.append(self._crops.draw(a, real=False, strength=strength))
            second.append(self._crops.draw(b, real=False, strength=strength))
            thing.append(int(product_id[1:]))
            label.append(-1)
            category.append(CATEGORIES.index(product.category))
            weight.append(1.0)
            captions.append(self._caption(product))
        for i in self._rng.choice(
            len(self._garments),
            min(self._mix.garments, len(self._garments)),
            replace=False,
            p=self._garment_odds,
        ):
            garment = self._garments[i]
            place = Place(garment.path)
            first.append(self._crops.draw(place, real=True, strength=STRENGTH))
            second.append(self._crops.draw(place, real=True, strength=STRENGTH))
            thing.append(10_000_000 + int(i))
            label.append(LABELS.index(garment.label))
            category.append(CATEGORIES.index(garment.category))
            weight.append(0.6)
            captions.append(self._real_caption(place, garment.category, _words(garment.label)))
        for i in self._rng.choice(len(self._street), min(self._mix.street, len(self._street)), replace=False):
            place, name, tag = self._street[i]
            first.append(self._crops.draw(place, real=True, strength=STRENGTH))
            second.append(self._crops.draw(place, real=True, strength=STRENGTH))
            thing.append(20_000_000 + int(i))
            label.append(-1)
            category.append(CATEGORIES.index(name))
            weight.append(0.6)
            captions.append(self._real_caption(place, name, tag))
        return Batch(
            Pictures.stack([*first, *second]),
            np.array(thing * 2),
            np.array(label * 2),
            np.array(category * 2),
            np.array(weight * 2, np.float32),
            captions * 2,
        )

    def product_ids(self) -> list[str]:
        return sorted(self._places)

    def product(self, product_id: str) -> tuple[int, int, list[str], list[Place], list[Place]]:
        """A rendered product's number, category number, captions, and places in catalogue photos and looks."""
        product, (catalogue, looks) = self._products[product_id], self._places[product_id]
        captions = [product.title.lower(), f"{product.colour} {product.category}"]
        captions.append(f"{product.colour} {product.cut.style.lower()}")
        captions += caption_in_korean(product.colour, product.category)
        return int(product_id[1:]), CATEGORIES.index(product.category), captions, catalogue, looks

    def real_things(self) -> list[tuple[Place, int, int, int, list[str]]]:
        """(place, thing, garment label or -1, category, captions) of every real garment and street object."""
        found = []
        for i, g in enumerate(self._garments):
            place, name = Place(g.path), _words(g.label)
            label, category = LABELS.index(g.label), CATEGORIES.index(g.category)
            found.append((place, 10_000_000 + i, label, category, self._captions(place, g.category, name)))
        for i, (place, name, tag) in enumerate(self._street):
            captions = self._captions(place, name, tag)
            found.append((place, 20_000_000 + i, -1, CATEGORIES.index(name), captions))
        return found

    def _captions(self, place: Place, category: str, name: str) -> list[str]:
        """All captions of a real thing."""
        colour = self._colour(place, category)
        return [name, f"{colour} {name}", f"{colour} {category}", *caption_in_korean(colour, category)]

    def _colour(self, place: Place, category: str) -> str:
        """A real thing's colour, from its pixels."""
        if place not in self._colours:
            image = sources.read(place.path)
            box = _find_box(place, image)
            masked = (
                self._masks.colour(place.path, image, box, self._tags[place]) if place in self._tags else None
            )
            self._colours[place] = masked or colour.describe(image, box, category).name
        return self._colours[place]

    def _real_caption(self, place: Place, category: str, name: str) -> str:
        """A caption of a real thing: its name, mostly with its colour if that can be determined."""
        if self._rng.random() < 0.3:
            return name if self._rng.random() < 0.7 else category
        colour = self._colour(place, category)
        captions = caption_in_korean(colour, category)
        if captions and self._rng.random() < KOREAN:
            return captions[self._rng.integers(len(captions))]
        return f"{colour} {name if self._rng.random() < 0.6 else category}"

    def _some_products(self) -> list[str]:
        rng = self._rng
        names = sorted(self._by_category)
        # Large categories have more look-alikes and more queries.
        odds = np.array([len(self._by_category[name]) ** 0.7 for name in names])
        chosen = rng.choice(
            len(names), min(self._mix.categories, len(names)), replace=False, p=odds / odds.sum()
        )
        each = self._mix.rendered // len(chosen)
        found: list[str] = []
        for k in chosen:
            pool = self._by_category[names[k]]
            if self._lookalikes is None:
                found += [pool[i] for i in rng.choice(len(pool), min(each, len(pool)), replace=False)]
                continue
            one = pool[rng.integers(len(pool))]
            found += [one, *self._lookalikes.beside(one, each - 1, rng)]
        return list(dict.fromkeys(found))

    def _two_places(self, product_id: str) -> tuple[Place, Place]:
        rng = self._rng
        catalogue, looks = self._places[product_id]
        a = catalogue[rng.integers(len(catalogue))]
        others = (
            looks
            if looks and (rng.random() < 0.75 or len(catalogue) < 2)
            else [p for p in catalogue if p != a]
        )
        b = others[rng.integers(len(others))] if others else a
        if rng.random() < 0.15:
            a = Place(a.path)  # the whole photo is indexed too
        return a, b

    def _caption(self, product: Product) -> str:
        captions = caption_in_korean(product.colour, product.category)
        if captions and self._rng.random() < KOREAN:
            return captions[self._rng.integers(len(captions))]
        kind = self._rng.random()
        if kind < 0.5:
            return product.title.lower()
        noun = product.category if kind < 0.7 else product.cut.style.lower()
        return f"{product.colour} {noun}"


def _things(scenes: Sequence[Scene]) -> list[tuple[Place, str, str]]:
    """(place, category, tag) of every object."""
    return [
        (Place.create(scene.path, box), category, tag)
        for scene in scenes
        for box, category, tag in zip(scene.boxes, scene.labels, scene.tags, strict=True)
    ]


def _find_box(place: Place, image: np.ndarray) -> Box:
    height, width = image.shape[:2]
    whole = Box(0, 0, width, height)
    return whole if place.box is None else boxes.clip(Box(*(round(v) for v in place.box)), width, height)


def caption_in_korean(colour: str, category: str) -> list[str]:
    """Korean captions: 'red', 'dress' → '빨간색 원피스' and variants; none for a colour without a Korean name."""
    things = korean_names().categories[category][:2]
    return [f"{word} {thing}" for word in korean_names().colours.get(colour, ()) for thing in things]


def _words(label: str) -> str:
    return _WORDS.get(label, label).lower()
