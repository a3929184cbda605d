"""A file as a stream of what is in it: gzip and a zip of one file are unpacked on the way, and no further than is plausible."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from knownat.errors import KnownatError

GZIP_MAGIC, ZIP_MAGICS, PARQUET_MAGIC = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06"), b"PAR1"
BUFFER_BYTES = 1 << 20
# Tables shrink 3- to 20-fold, deflate at most 1,032-fold: what grows beyond both of these is made to fill a disk.
FREE_BYTES = 64 << 20
MAX_EXPANSION = 100
ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@contextmanager
def unpacked(path: Path, name: str) -> Iterator[BinaryIO]:
    """The bytes of the table itself, whatever `path` wraps it in.

    KnownatError, about the source called `name`, for an archive of several files or none, an encrypted or a damaged one, one
    within another, and one that grows beyond all measure; it may come while the stream is read.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    try:
        with ExitStack() as stack:
            if magic.startswith(GZIP_MAGIC):
                yield _bounded(cast(IO[bytes], stack.enter_context(gzip.open(path))), path, name)
            elif magic in ZIP_MAGICS:
                yield _bounded(_only_file(stack, path, name), path, name)
            else:
                yield stack.enter_context(path.open("rb"))
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
        kind = "gzip" if magic.startswith(GZIP_MAGIC) else "zip"
        raise KnownatError(
            f"{name}: the {kind} file is damaged or cut short ({error or 'it ends early'}); fetch it anew."
        ) from error


def _only_file(stack: ExitStack, path: Path, name: str) -> IO[bytes]:
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
        return stack.enter_context(archive.open(_only_member(archive, name)))
    # what zipfile lets through where the archive's own tables make no sense to it
    except (NotImplementedError, OSError, RuntimeError, ValueError, struct.error) as error:
        raise zipfile.BadZipFile(str(error)) from error


def _only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """The one file of the archive, beside what macOS and folders leave in it."""
    members = [member for member in archive.infolist() if not _is_litter(member)]
    if len(members) != 1:
        listed = ", ".join(repr(member.filename[:80]) for member in members[:3]) + (", …" if len(members) > 3 else "")
        held = f"{len(members)} files ({listed})" if members else "no file"
        raise KnownatError(f"{name}: the zip file holds {held}; unpack it and name the one file that is the table.")
    (member,) = members
    if member.flag_bits & ENCRYPTED:
        raise KnownatError(f"{name}: the zip file is encrypted; unpack it with its password and name the file in it.")
    if member.compress_type not in METHODS:
        raise KnownatError(f"{name}: the zip file is packed by another method than deflate; unpack it and name the file in it.")
    return member


def _is_litter(member: zipfile.ZipInfo) -> bool:
    base = member.filename.rpartition("/")[2]
    return member.is_dir() or member.filename.startswith("__MACOSX/") or base.startswith("._") or base == ".DS_Store"


def _bounded(content: IO[bytes], path: Path, name: str) -> BinaryIO:
    stream = io.BufferedReader(_Bounded(content, path.stat().st_size, name), BUFFER_BYTES)
    magic = stream.peek(4)[:4]
    if magic.startswith(GZIP_MAGIC) or magic in (*ZIP_MAGICS, PARQUET_MAGIC):
        what = "a Parquet file" if magic == PARQUET_MAGIC else "another archive"
        raise KnownatError(f"{name} holds {what}, which is not read from within an archive; unpack it and name the file in it.")
    return stream


class _Bounded(io.RawIOBase):
    """What a packed file holds, up to the size that its own size makes plausible."""

    def __init__(self, content: IO[bytes], packed_bytes: int, name: str) -> None:
        self._content = content
        self._left = max(FREE_BYTES, MAX_EXPANSION * packed_bytes)
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = self._content.read(len(buffer))
        self._left -= len(piece)
        if self._left < 0:
            raise KnownatError(
                f"{self._name} grows more than {MAX_EXPANSION}-fold when unpacked, beyond {FREE_BYTES >> 20} MiB, as a table "
                "hardly does; if you trust it, unpack it yourself and name the file in it."
            )
        buffer[: len(piece)] = piece
        return len(piece)
