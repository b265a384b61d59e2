"""A shop's words for what it sells, in the detector's labels."""

from __future__ import annotations

import re

from lookdex.records import CATEGORIES

_SYNONYMS = {
    "top": "shirt tshirt tee blouse polo tank camisole cami singlet sweater jumper pullover sweatshirt hoodie "
    "knitwear tunic bodysuit longsleeve henley undershirt upper vest",
    "outerwear": "jacket coat blazer cardigan parka anorak windbreaker raincoat trench poncho cape gilet bomber "
    "overcoat outer waistcoat",
    "dress": "gown sundress jumpsuit romper playsuit kaftan overall dungaree",
    "skirt": "miniskirt skort",
    "pants": "pant trouser jean chino legging jogger slack sweatpants cargo culotte bottom",
    "shorts": "short bermuda trunk",
    "shoes": "shoe sneaker trainer boot bootie sandal heel pump loafer flat slipper mule moccasin footwear espadrille "
    "clog oxford stiletto wedge",
    "bag": "handbag backpack purse tote clutch wallet satchel rucksack pouch briefcase crossbody luggage",
    "hat": "cap beanie beret fedora headwear bonnet visor headband",
    "glasses": "sunglass spectacle eyewear eyeglass goggle",
    "belt": "waistband",
    "scarf": "scarves shawl stole bandana pashmina neckerchief",
    "jewelry": "jewellery necklace earring bracelet ring watch brooch bangle pendant anklet accessory",
    "legwear": "sock stocking tight hosiery pantyhose",
}
_LABELS = {word: label for label, words in _SYNONYMS.items() for word in [label, *words.split()]}
_PHRASES = {"t shirt": "tshirt", "tee shirt": "tshirt", "bath robe": "outerwear", "flip flop": "sandal"}


def normalise(text: str | None) -> str | None:
    """'Women > Shoes > Running Sneakers' → 'shoes': the last word that names a label. Unknown words stay themselves,
    in lower case, for detectors with labels of their own; None and blanks give None."""
    if text is None or not text.strip():
        return None
    plain = " ".join(re.findall(r"[^\W\d_]+", text.lower()))
    for phrase, word in _PHRASES.items():
        plain = plain.replace(phrase, word)
    for word in reversed(plain.split()):
        label = _label(word)
        if label:
            return label
    return text.strip().lower()


def _label(word: str) -> str | None:
    for form in (word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ies") + "y"):
        if form in _LABELS:
            return _LABELS[form]
    return None


assert set(_SYNONYMS) == set(CATEGORIES)
