"""Other people's names for lookdex's categories: a shop's words for what it sells, another model's labels."""

from __future__ import annotations

import re

from lookdex import korean
from lookdex.records import CATEGORIES

_SYNONYMS = {
    "top": "shirt tshirt tee blouse polo tank camisole cami singlet sweater jumper pullover sweatshirt hoodie "
    "knitwear tunic bodysuit longsleeve henley undershirt upper vest cardigan sling",
    "outerwear": "jacket coat blazer suit outwear parka anorak windbreaker raincoat trench poncho cape gilet bomber "
    "overcoat outer waistcoat",
    "dress": "gown sundress jumpsuit romper playsuit kaftan overall dungaree",
    "skirt": "miniskirt skort",
    "pants": "pant trouser jean chino legging jogger slack sweatpants cargo culotte bottom",
    "shorts": "short bermuda trunk",
    "shoes": "shoe sneaker trainer boot bootie sandal heel pump loafer flat slipper mule moccasin footwear espadrille "
    "clog oxford stiletto wedge",
    "bag": "handbag backpack purse tote clutch wallet satchel rucksack pouch briefcase crossbody luggage suitcase",
    "hat": "cap beanie beret fedora headwear bonnet visor headband helmet",
    "glasses": "sunglass spectacle eyewear eyeglass goggle",
    "belt": "waistband",
    "scarf": "scarves tie necktie shawl stole bandana pashmina neckerchief",
    "jewelry": "jewellery necklace earring bracelet ring watch brooch bangle pendant anklet accessory",
    "legwear": "sock stocking tight hosiery pantyhose warmer",
}
_LABELS = {word: label for label, words in _SYNONYMS.items() for word in [label, *words.split()]}
_LABELS |= {word: label for label, words in korean.CATEGORIES.items() for word in words}
_PHRASES = {
    "t shirt": "tshirt", "tee shirt": "tshirt", "bath robe": "outerwear", "flip flop": "sandal", "one piece": "dress",
    "hair accessory": "headband",
}  # fmt: skip


def category_of(text: str) -> str | None:
    """The category that the last telling word names, or None.

    >>> category_of("Women > Shoes > Running Sneakers"), category_of("여성 원피스"), category_of("person")
    ('shoes', 'dress', None)
    """
    plain = " ".join(re.findall(r"[^\W\d_]+", text.lower()))
    for phrase, word in _PHRASES.items():
        plain = plain.replace(phrase, word)
    return next(filter(None, map(_label, reversed(plain.split()))), None)


def normalise(text: str | None) -> str | None:
    """A shop's category as one of ours. Unknown words stay themselves, in lower case, for detectors with labels of
    their own; None and blanks give None."""
    if text is None or not text.strip():
        return None
    return category_of(text) or text.strip().lower()


def _label(word: str) -> str | None:
    for form in (word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ies") + "y"):
        if form in _LABELS:
            return _LABELS[form]
    return None


assert set(_SYNONYMS) == set(CATEGORIES)
