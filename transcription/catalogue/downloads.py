"""Fetches the files of a model from where there is internet. What was interrupted goes on where it stopped.

Nothing but HTTP and HTTPS is spoken, and never HTTP where it began with HTTPS. A file has its last name only when it is whole.
"""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from transcription.catalogue import sources
from transcription.catalogue.errors import CatalogueError
from transcription.catalogue.published import NEMO, published

HUB_PREFIX: Final = "hub:"
FILE_ENDINGS: Final = (".pt", NEMO)
MAIN: Final = "main"
PART: Final = ".part"
PATIENCE_S: Final = 60
"""Without a byte; then the connection is given up."""
NUM_TRIES: Final = 4
CHUNK_BYTES: Final = 1 << 20
NOT_FOUND: Final = frozenset({404, 410})
NOT_ALLOWED: Final = frozenset({401, 403})
Tell = Callable[[str], object]


class MissingError(CatalogueError):
    """The other side has no such file."""


class InterruptedFetch(OSError):
    """The connection ended before the file did."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A `.pt` or `.nemo` file, or a folder whose address ends with a slash. `name`: what to call the model when nobody says.
    `files`: those of the folder that are wanted, if that is known.
    """

    url: str
    name: str
    files: tuple[str, ...] = ()

    @property
    def is_folder(self) -> bool:
        return self.url.endswith("/")


def remote(source: str, hub_url: str) -> Remote:
    """What `models pull` was given: the name of a published model, `hub:owner/name`, `hub:owner/name@revision`, or an address.

    Raises:
        CatalogueError: it is none of these.
    """
    known = published(source)
    if known is not None:
        return replace(remote(known.source, hub_url), name=known.name, files=known.files)
    if source.startswith(HUB_PREFIX):
        repository, _, revision = source.removeprefix(HUB_PREFIX).partition("@")
        owner, _, name = repository.partition("/")
        if owner and name and "/" not in name:
            return Remote(f"{hub_url.rstrip('/')}/{quote(owner)}/{quote(name)}/resolve/{quote(revision or MAIN, safe='')}/", name)
    parts = urlsplit(source)
    if parts.scheme in {"http", "https"} and parts.netloc:
        name = Path(parts.path.rstrip("/")).name
        is_file = name.endswith(FILE_ENDINGS)
        return Remote(source, Path(name).stem) if is_file else Remote(f"{source.rstrip('/')}/", name)
    raise CatalogueError(
        f"{source!r} is nothing to fetch; expected a name that `models pull` lists, hub:owner/name, the address of a `.pt` or "
        "`.nemo` file, or that of a folder with a model's files. What lies on this machine is taken with `models import`."
    )


@dataclass(frozen=True, slots=True)
class Fetcher:
    """`check_room`: asked with the bytes that are still to come, before they do; raises CatalogueError."""

    tell: Tell
    check_room: Callable[[int], None]

    def fetch(self, what: Remote, folder: Path) -> Path:
        """Into `folder`; the path of the model. Files that are there whole are not fetched again.

        Raises:
            CatalogueError: there is no way there, no model there, or no room here.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if what.is_folder:
            self._fetch_folder(what, folder)
            return folder
        target = folder / Path(urlsplit(what.url).path).name
        self.fetch_file(what.url, target)
        return target

    def _fetch_folder(self, what: Remote, folder: Path) -> None:
        for name in what.files:
            self.fetch_file(f"{what.url}{name}", folder / Path(name).name)
        if what.files or self._try_archive(what, folder):
            return
        url = what.url
        for name in (*sources.BESIDE_WEIGHTS, sources.CARD, "LICENSE"):
            self._try_file(f"{url}{name}", folder / name)
        if self._try_file(f"{url}{sources.SAFETENSORS}", folder / sources.SAFETENSORS):
            return
        if self._try_file(f"{url}{sources.SHARDS_INDEX}", folder / sources.SHARDS_INDEX):
            for name in sources.shard_names(folder / sources.SHARDS_INDEX):
                self.fetch_file(f"{url}{name}", folder / name)
            return
        if not self._try_file(f"{url}{sources.CTRANSLATE2}", folder / sources.CTRANSLATE2):
            raise MissingError(
                f"{url} has neither {sources.SAFETENSORS} nor {sources.CTRANSLATE2}. Give a Whisper model or a streaming "
                "Conformer in one of these forms."
            )

    def _try_archive(self, what: Remote, folder: Path) -> bool:
        """Whether it is a folder without a config.json and with a `.nemo` file of its own name, as NeMo's models have it."""
        try:
            self.fetch_file(f"{what.url}config.json", folder / "config.json")
        except MissingError:
            if not self._try_file(f"{what.url}{what.name}{NEMO}", folder / f"{what.name}{NEMO}"):
                raise
            self._try_file(f"{what.url}{sources.CARD}", folder / sources.CARD)
            return True
        return False

    def _try_file(self, url: str, target: Path) -> bool:
        """Whether it is there."""
        try:
            self.fetch_file(url, target)
        except MissingError:
            return False
        return True

    def fetch_file(self, url: str, target: Path) -> None:
        """To `target`, by way of a file beside it; an interrupted transfer is taken up again, a few times at once.

        Raises:
            CatalogueError: as in `fetch`.
        """
        if target.exists():
            return
        part = target.with_name(target.name + PART)
        reason: Exception | None = None
        for _ in range(NUM_TRIES):
            try:
                self._go_on(url, part)
            except (http.client.HTTPException, OSError) as err:
                reason = err
            else:
                part.rename(target)
                _tag_of(part).unlink(missing_ok=True)
                return
        raise CatalogueError(
            f"{url} was interrupted {NUM_TRIES} times ({reason}); {_size(part)} bytes are there. Give the command again: it goes "
            "on from there."
        ) from reason

    def _go_on(self, url: str, part: Path) -> None:
        """Raises OSError or HTTPException where the connection ends before the file does."""
        with _opened(url, part) as answer:
            start = _size(part) if answer.status == http.HTTPStatus.PARTIAL_CONTENT else 0
            promised = answer.headers.get("Content-Length")
            if promised is not None:
                self.check_room(int(promised))
                self.tell(f"{part.name.removesuffix(PART)}: {(start + int(promised)) / 1e6:.1f} MB")
            with _writing(part):
                _tag_of(part).write_text(answer.headers.get("ETag", ""), encoding="ascii", errors="replace")
                file = part.open("ab" if start else "wb", buffering=0)  # what cannot be written is known at once
            with file:
                while piece := answer.read(CHUNK_BYTES):
                    with _writing(part):
                        _write_all(file, piece)
        if promised is not None and _size(part) != start + int(promised):
            raise InterruptedFetch(f"{_size(part) - start} of {promised} bytes came")


def _write_all(file: FileIO, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]


@contextmanager
def _writing(part: Path) -> Iterator[None]:
    """A disk that is full or broken is no reason to try again, and is not left filled."""
    try:
        yield
    except OSError as err:
        part.unlink(missing_ok=True)
        raise CatalogueError(
            f"{part.name.removesuffix(PART)} was not written to {part.parent}: {err.strerror or err}. What had come is deleted."
        ) from err


class _SameSafety(urllib.request.HTTPRedirectHandler):
    """Never from HTTPS to HTTP."""

    def redirect_request(self, *given: Any, **named: Any) -> urllib.request.Request | None:
        onward = super().redirect_request(*given, **named)
        if onward is not None and given[0].type == "https" and onward.type != "https":
            raise CatalogueError(f"{given[0].full_url} leads on to {onward.full_url}, without TLS. It was not followed.")
        return onward


def _opener() -> urllib.request.OpenerDirector:
    """Of HTTP and HTTPS only, through the proxy that the environment names."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _SameSafety(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _opened(url: str, part: Path) -> http.client.HTTPResponse:
    """The answer: the rest of the file, where a part of the same file is there, else all of it."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "hark"}
    tag = _tag_of(part).read_text(encoding="ascii") if _tag_of(part).exists() else ""
    if tag.startswith('"') and _size(part):
        headers |= {"Range": f"bytes={_size(part)}-", "If-Range": tag}
    try:
        answer = _opener().open(urllib.request.Request(url, headers=headers), timeout=PATIENCE_S)  # noqa: S310  # HTTP(S) only
    except urllib.error.HTTPError as err:
        err.close()
        raise _refusal(url, part, err) from err
    except urllib.error.URLError as err:
        raise CatalogueError(
            f"There is no way from here to {urlsplit(url).hostname} ({err.reason}). Fetch the model's files on a machine with "
            "internet, copy them here, and give their path to `models import`."
        ) from err
    assert isinstance(answer, http.client.HTTPResponse)
    return answer


def _refusal(url: str, part: Path, err: urllib.error.HTTPError) -> Exception:
    if err.code in NOT_FOUND:
        return MissingError(f"There is no {url}. Is the address right?")
    if err.code in NOT_ALLOWED:
        return CatalogueError(
            f"{url} is not open to everybody ({err.code}). Fetch it where you have access, and give its path to `models import`."
        )
    if err.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        part.unlink(missing_ok=True)  # it is not a part of what is there now
    return InterruptedFetch(f"answered {err.code}")


def _tag_of(part: Path) -> Path:
    """Where it is kept which version of the file the part is of; a weak one (`W/…`) does not say so to the byte."""
    return part.with_name(part.name + ".etag")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
