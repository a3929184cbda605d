"""Packed sources: unpacked on the way, bounded, and never a row from a damaged one."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knownat.errors import KnownatError
from knownat.raw_rows import batches
from knownat.unpacking import BUFFER_BYTES, FREE_BYTES, MAX_EXPANSION, unpacked

CSV = b"a,b\n" + b"".join(b"%d,%d\n" % (number, number * number) for number in range(50))
ROWS = [(str(number), str(number * number)) for number in range(50)]


def in_zip(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", content)
    return file.getvalue()


PACKED = [in_zip(CSV), gzip.compress(CSV)]


def read(path: Path) -> list[tuple[str, ...]]:
    tables = [batch.parsed for batch in batches(path, {"a": "a", "b": "b"}, "table")]
    return [(row["a"], row["b"]) for table in tables for row in table.to_pylist()]


def outcome(path: Path) -> tuple[str, list[tuple[str, ...]]]:
    """What is said, or the rows."""
    try:
        return "", read(path)
    except KnownatError as error:
        return str(error), []


def drain(path: Path, sizes: list[int]) -> None:
    """Read it to its end, noting the size of each piece."""
    with unpacked(path, path.name) as stream:
        while piece := stream.read1():
            sizes.append(len(piece))


def test_a_bomb_is_left_as_soon_as_it_shows(tmp_path: Path) -> None:
    """Of a file that would grow to a gigabyte no more than the allowance is unpacked, a buffer at a time."""
    bomb = gzip.compress(bytes(64 << 20)) * 16
    sizes: list[int] = []
    (tmp_path / "bomb").write_bytes(bomb)
    allowance = max(FREE_BYTES, MAX_EXPANSION * len(bomb))
    assert allowance < 128 << 20
    with pytest.raises(KnownatError, match="bomb grows more than 100-fold"):
        drain(tmp_path / "bomb", sizes)
    assert allowance - BUFFER_BYTES <= sum(sizes) <= allowance


def test_what_shrinks_well_and_is_small_is_no_bomb(tmp_path: Path) -> None:
    """Up to the allowance a file may grow a thousandfold."""
    content = gzip.compress(b"a,b\n" + b"0,0\n" * 1_000_000)
    assert len(content) * MAX_EXPANSION < 4_000_000
    (tmp_path / "table").write_bytes(content)
    with unpacked(tmp_path / "table", "table") as stream:
        assert len(stream.read()) == 4_000_004


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(PACKED), st.data())
def test_a_damaged_archive_is_the_same_rows_or_one_sentence(tmp_path: Path, packed: bytes, data: st.DataObject) -> None:
    """Whatever byte is changed, and wherever the file ends, no other row comes out, and no error but ours."""
    damaged = bytearray(packed)
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "table").write_bytes(damaged[: data.draw(st.integers(len(damaged) // 2, len(damaged)))])
    said, found = outcome(tmp_path / "table")
    assert found == ROWS or (said.startswith("table") and "\n" not in said)
