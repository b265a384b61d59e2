"""Whether a text says anything of products: an embedder has a vector for every text, and products near it."""

from __future__ import annotations

import re

from lookdex.search.retrieval.rows import Rows
from lookdex.taxonomy import query_words


def understood(rows: Rows, text: str) -> bool:
    """A word of the text names a category, a colour or a look, or stands in the products' own columns.

    These are read only where no word names anything: 20 to 30 ms for a column of 200,000 titles. A Korean word may
    stand there in English.
    """
    return query_words.is_telling(text) or rows.mention(pattern(f"{text} {query_words.in_english(text)}"))


def pattern(text: str) -> str:
    """A regular expression (of RE2 and of Lance's) for each word that says something: English ones whole and in either
    number, others, to which endings are tied, wherever they stand; '' where no word is left.

    >>> pattern("the Coats"), pattern("코트가")
    ('(?:^|[^[:alnum:]])coat(?:s|es)?(?:$|[^[:alnum:]])', '코트가')
    """
    told = []
    for word in query_words.telling(text):
        if word.isascii():
            told.append(f"(?:^|[^[:alnum:]]){_either_number(word)}(?:$|[^[:alnum:]])")
        else:
            told.append(re.escape(word))
    return "|".join(told)


def _either_number(word: str) -> str:
    if len(word) > 4 and word.endswith("es"):  # watch-es, blouse-s
        return f"{re.escape(word.removesuffix('es'))}e?s?"
    plural = len(word) > 3 and not word.endswith("ss")
    return f"{re.escape(word.removesuffix('s') if plural else word)}(?:s|es)?"
