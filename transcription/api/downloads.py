"""Answers that are too large to be made at once: sent piece by piece, each made on the request's own thread."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

PIECE_BYTES: Final = 256 * 1024
PRIVATE: Final = {"Cache-Control": "private, no-store"}


def download(pieces: Iterator[bytes], media_type: str, name: str, num_bytes: int | None = None) -> StreamingHttpResponse:
    """A file to save. `num_bytes`: its size, where it is known."""
    headers = PRIVATE | {"Content-Disposition": f'attachment; filename="{name}"'}
    if num_bytes is not None:
        headers["Content-Length"] = str(num_bytes)
    return StreamingHttpResponse(_one_after_another(pieces), content_type=media_type, headers=headers)


def pieces_of(path: Path) -> tuple[Iterator[bytes], int]:
    """What is in a file, and how much of it there is.

    Raises:
        FileNotFoundError: there is no such file (any more).
    """
    source = path.open("rb")
    return _read(source), path.stat().st_size


def _read(source: BinaryIO) -> Iterator[bytes]:
    with source:
        while piece := source.read(PIECE_BYTES):
            yield piece


async def _one_after_another(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each from the thread that the request had, between the requests that have it now."""
    while piece := await sync_to_async(_next)(pieces):
        yield piece


def _next(pieces: Iterator[bytes]) -> bytes:
    """Empty at the end."""
    return next(pieces, b"")
