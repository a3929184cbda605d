"""Free text as words: cut as the model's layer cuts it, and numbered by a vocabulary fitted on train."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from knownat.encoder import LENGTH

# a rarer word says nothing that would hold, and so much fits into a request's memory
LEAST_ROWS, MOST_WORDS = 10, 10_000
# RE2, which Arrow and TensorFlow both use: a mark is a word, other ASCII that is neither letter nor digit separates words
MARKS, SEPARATORS = r"[!:?]", r"[\x00-\x20\x22-\x2f\x3b-\x3e\x40\x5b-\x60\x7b-\x7f]+"


def tokens(texts: pa.ChunkedArray) -> pa.ListArray:
    """The words of each text, ASCII letters in lower case; none of null."""
    lower = pc.ascii_lower(pc.fill_null(texts.combine_chunks().cast(pa.string()), ""))
    marked = pc.replace_substring_regex(lower, pattern=MARKS, replacement=r" \0 ")
    return pc.ascii_split_whitespace(
        pc.ascii_trim_whitespace(pc.replace_substring_regex(marked, pattern=SEPARATORS, replacement=" "))
    )


def vocabulary(texts: pa.ChunkedArray) -> list[str]:
    """The words that occur in at least 10 texts, the most frequent first, at most 10,000."""
    found = Counter(word for words in tokens(texts).to_pylist() for word in set(words) if word)
    frequent = [(word, count) for word, count in found.items() if count >= LEAST_ROWS]
    return [word for word, _ in sorted(frequent, key=lambda pair: (-pair[1], pair[0]))[:MOST_WORDS]]


def places(texts: pa.ChunkedArray, known: list[str]) -> NDArray[np.int32]:
    """(rows, 20): each word's place in the vocabulary from 1 on; 0 for a word that is not in it, and where there is none."""
    words = tokens(texts)
    flat = pc.fill_null(pc.index_in(words.flatten(), pa.array(known, pa.string())), -1).to_numpy() + 1
    lengths = pc.list_value_length(words).to_numpy()
    row = np.repeat(np.arange(len(words)), lengths)
    position = np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    found = np.zeros((len(words), LENGTH), dtype=np.int32)
    is_read = position < LENGTH
    found[row[is_read], position[is_read]] = flat[is_read]
    return found
