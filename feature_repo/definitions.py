"""Binds the Feast objects derived from the declaration beside this file, so that `feast plan` finds them."""

from pathlib import Path

from knownat.derive.feast import feast_objects
from knownat.loading import load_declaration

globals().update(feast_objects(load_declaration(Path(__file__).parent)))
