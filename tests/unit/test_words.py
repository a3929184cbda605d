"""A text as words: cut alike by Arrow and by the model's layer, numbered by what train has often enough."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knownat.encoder import LENGTH
from knownat.words import LEAST_ROWS, places, tokens, vocabulary


def texts(*values: str | None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Lost Game: a Children's Book!", ["the", "lost", "game", ":", "a", "children", "s", "book", "!"]),
        ("  3D-printed\t(mini) robots?? ", ["3d", "printed", "mini", "robots", "?", "?"]),
        ("Café ÜBER 東京", ["café", "Üb" + "er", "東京"]),
        ("...", []),
        ("", []),
        (None, []),
    ],
)
def test_a_text_is_cut_into_lower_case_words_and_marks(text: str | None, words: list[str]) -> None:
    """ASCII alone is lowered and cut: what is beyond it belongs to a word as it is."""
    assert [word for word in tokens(texts(text)).to_pylist()[0] if word] == words


def test_the_vocabulary_holds_the_words_of_enough_texts_the_most_frequent_first() -> None:
    """A word that one text repeats is not frequent; ties go by the alphabet."""
    rows = ["b a"] * LEAST_ROWS + ["a c"] * (LEAST_ROWS - 1) + [" ".join(["d"] * 50)]
    assert vocabulary(texts(*rows)) == ["a", "b"]


def test_places_start_at_one_and_stop_at_the_length() -> None:
    """0 for an unseen word and for none; what comes after the length is not read."""
    found = places(texts("b x a", None, " ".join(["a"] * 50)), ["a", "b"])
    assert found.shape == (3, LENGTH)
    assert found[0].tolist() == [2, 0, 1] + [0] * (LENGTH - 3)
    assert not found[1].any()
    assert (found[2] == 1).all()


def test_without_a_vocabulary_every_word_is_unseen() -> None:
    """A train split of rare words only."""
    assert not places(texts("a b", "c"), []).any()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.text(st.characters(codec="utf-8") | st.sampled_from(" !?:'\u00a0\u2028ßİK"), max_size=60), min_size=1, max_size=20)
)
def test_the_model_cuts_any_text_as_arrow_does(values: list[str]) -> None:
    """Control characters, Unicode's own spaces and letters whose lower case is ASCII included."""
    from knownat.derive.keras import WordPlaces

    column = texts(*values)
    known = sorted({word for words in tokens(column).to_pylist() for word in words if word})
    layer = WordPlaces(known)
    by_layer = layer(np.array(values, dtype=object).reshape(-1, 1))
    np.testing.assert_array_equal(by_layer, places(column, known))
