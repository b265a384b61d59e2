"""Whether a text can describe a product at all: an embedder gives every text a vector, and some product is near it."""

from __future__ import annotations

import re

from lookdex.search.retrieval.rows import Rows
from lookdex.taxonomy import lexicon, query_words


def is_understood(rows: Rows, text: str) -> bool:
    """Whether a word of the text names a category, a colour or a style, or occurs in the product columns.

    The columns are searched only where no word names anything: that takes 20 to 30 ms for 200,000 titles. A Korean
    word is also searched in English.
    """
    return query_words.is_descriptive(text) or rows.mentions(
        build_pattern(f"{text} {lexicon.translate(text)}")
    )


def build_pattern(text: str) -> str:
    """A regular expression (for RE2 and Lance) that finds any meaningful word of the text; '' if there is none.

    English words match as whole words, singular or plural. Others match anywhere, since endings are attached to them.

    >>> build_pattern("the Coats"), build_pattern("코트가")
    ('(?:^|[^[:alnum:]])coat(?:s|es)?(?:$|[^[:alnum:]])', '코트가')
    """
    patterns = []
    for word in query_words.descriptive_words(text):
        if word.isascii():
            patterns.append(f"(?:^|[^[:alnum:]]){_either_number(word)}(?:$|[^[:alnum:]])")
        else:
            patterns.append(re.escape(word))
    return "|".join(patterns)


def _either_number(word: str) -> str:
    if len(word) > 4 and word.endswith("es"):  # watch-es, blouse-s
        return f"{re.escape(word.removesuffix('es'))}e?s?"
    plural = len(word) > 3 and not word.endswith("ss")
    return f"{re.escape(word.removesuffix('s') if plural else word)}(?:s|es)?"
