"""Which kind each input is encoded by, and what the encoder's file says."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from knownat.encoder import Category, Encoder, Number, plan
from knownat.errors import KnownatError
from tests.modelling import declaration

PRICE = Number(name="basket__price", dtype="float64", kind="log", mean=0.1, std=1 / 3, has_missing=True)
SHOP = Category(name="basket__shop", dtype="string", kind="index", vocabulary=["a", "ü"])
COLOUR = Category(name="basket__colour", dtype="string", kind="one_hot", vocabulary=["red"])


def test_an_input_that_params_do_not_name_is_encoded_by_its_dtype() -> None:
    """Numbers scale, texts one_hot, booleans as they are, in declared order."""
    found = plan(declaration(), "early", {"basket__price": "log"})
    assert list(found) == [i.name for i in declaration().inputs("early")]
    assert found["basket__price"] == ("float64", "log")
    assert found["basket__items"] == ("int64", "scale")
    assert found["basket__colour"] == ("string", "one_hot")
    assert found["basket__is_gift"] == ("bool", "flag")


def test_params_may_name_an_input_of_another_service() -> None:
    """So that one params.yaml serves both services."""
    assert "aftermath__calls" not in plan(declaration(), "early", {"aftermath__calls": "log"})
    assert plan(declaration(), "late", {"aftermath__calls": "log"})["aftermath__calls"] == ("int64", "log")


def test_a_misspelt_input_is_refused_with_the_nearest_name() -> None:
    """A name that no service knows is a mistake."""
    with pytest.raises(KnownatError, match=r"encode: .*'basket__prise'; did you mean 'basket__price'\?"):
        plan(declaration(), "early", {"basket__prise": "log"})


@pytest.mark.parametrize(("name", "kind"), [("basket__colour", "log"), ("basket__price", "index"), ("basket__is_gift", "log")])
def test_a_kind_that_does_not_fit_the_dtype_is_refused(name: str, kind: str) -> None:
    """One sentence names the input, the kind and what would fit."""
    with pytest.raises(KnownatError, match=rf"encode\.{name}: '{kind}' does not fit .*; use "):
        plan(declaration(), "early", {name: kind})  # type: ignore[dict-item]


def test_columns_are_named_after_input_and_value() -> None:
    """The matrix: numbers with their indicator, one column a word and one for the rest; indexes stand apart."""
    encoder = Encoder(service="early", label="is_kept", inputs=[PRICE, SHOP, COLOUR])
    assert encoder.number_columns == ["basket__price", "basket__price__missing"]
    assert encoder.one_hot_columns == ["basket__colour=red", "basket__colour__other"]
    assert [i.name for i in encoder.embedded] == ["basket__shop"]
    assert encoder.label_columns == ["is_kept=false", "is_kept=true"]


def test_an_encoder_survives_its_file(tmp_path: Path) -> None:
    """Numbers to the last bit, and no word changed."""
    encoder = Encoder(service="early", label="is_kept", inputs=[PRICE, SHOP, COLOUR])
    path = tmp_path / "encoder.json"
    path.write_text(encoder.model_dump_json(), encoding="utf-8")
    assert Encoder.read(path) == encoder


def test_a_missing_encoder_names_the_command_that_makes_it(tmp_path: Path) -> None:
    """One sentence."""
    with pytest.raises(KnownatError, match="dvc repro encode"):
        Encoder.read(tmp_path / "encoder.json")


def test_a_number_cannot_be_a_one_hot() -> None:
    """The file is validated like everything else."""
    with pytest.raises(ValidationError):
        Encoder.model_validate({"service": "s", "label": "l", "inputs": [{**PRICE.model_dump(), "kind": "one_hot"}]})
