"""A rendered sample catalogue with ground truth: products, their photos, and people wearing them."""

from lookdex_sample.photos import Photo, TrueObject, pick_outfit, render_look, render_product
from lookdex_sample.products import Cut, Product, make_product
from lookdex_sample.textures import Fabric
from lookdex_sample.write import PRODUCTS_SCHEMA, TRUTH_SCHEMA, write_sample

__all__ = [
    "PRODUCTS_SCHEMA",
    "TRUTH_SCHEMA",
    "Cut",
    "Fabric",
    "Photo",
    "Product",
    "TrueObject",
    "make_product",
    "pick_outfit",
    "render_look",
    "render_product",
    "write_sample",
]
