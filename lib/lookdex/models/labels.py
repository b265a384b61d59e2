"""Other models' names for lookdex's categories (see `lookdex.records.CATEGORIES`)."""

from __future__ import annotations

from lookdex.records import CATEGORIES

# Names used by COCO, Open Images, Fashionpedia, DeepFashion2, ModaNet and common fine-tunes of them.
_SYNONYMS = {
    "top": "shirt blouse t-shirt tshirt tee tank-top tank sweatshirt sweater jumper hoodie polo vest pullover "
    "shirt,-blouse top,-t-shirt,-sweatshirt short-sleeve-top long-sleeve-top sling camisole bodysuit cardigan",
    "outerwear": "jacket coat blazer outer parka trench-coat suit cape short-sleeve-outwear long-sleeve-outwear "
    "outwear overcoat windbreaker",
    "dress": "gown short-sleeve-dress long-sleeve-dress vest-dress sling-dress jumpsuit romper one-piece",
    "skirt": "miniskirt",
    "pants": "trousers jeans leggings-pants slacks chinos joggers",
    "shorts": "short",
    "shoes": "shoe sneaker sneakers boot boots footwear heels high-heels sandal sandals loafers left-shoe right-shoe",
    "bag": "handbag backpack purse wallet suitcase bag,-wallet clutch tote satchel luggage-and-bags",
    "hat": "cap sun-hat cowboy-hat fedora headwear beanie headband,-head-covering,-hair-accessory helmet",
    "glasses": "sunglasses eyewear goggles spectacles",
    "belt": "waist-belt",
    "scarf": "tie necktie scarf/tie shawl",
    "jewelry": "jewellery necklace earrings earring bracelet ring watch brooch",
    "legwear": "socks sock tights tights,-stockings stockings stocking leg-warmer leggings hosiery",
}
_CATEGORY = {name: category for category, names in _SYNONYMS.items() for name in names.split()}


def category_of(label: str, *, keep_unknown: bool = True) -> str | None:
    """The category that a model's label stands for; unknown labels as they are, or None.

    >>> category_of("Handbag"), category_of("tights, stockings"), category_of("person", keep_unknown=False)
    ('bag', 'legwear', None)
    """
    plain = label.strip().lower()
    if plain in CATEGORIES:
        return plain
    known = _CATEGORY.get(plain.replace(" ", "-").replace("_", "-"))
    return known or (label.strip() if keep_unknown else None)
