"""N-grams in a file that KenLM maps and does not read.

Were it to read text it would hold up all threads of the process meanwhile, and draw a bar of its progress between the lines of
the log.
"""

import hashlib
import os
import tempfile
import weakref
from pathlib import Path
from typing import IO, Any, Final

from inference.decoding.ngrams.arpa import read_arpa
from inference.decoding.ngrams.binary import binary_parts
from inference.errors import LanguageModelError

BINARY: Final = ".bin"


class Compiled:
    """`path` is there as long as this is, whatever happens to the file that it was."""

    def __init__(self, file: IO[bytes]) -> None:
        """file: open; may be closed afterwards."""
        number = os.dup(file.fileno())
        weakref.finalize(self, os.close, number)
        self.path: Final = Path("/dev/fd", str(number))


def compiled(ngrams: Path) -> Compiled:
    """`ngrams` itself, or what was made of it before, or what is made of it now and gone afterwards. Blocks: a second for each
    300 000 n-grams that are made now.

    Raises:
        LanguageModelError: it cannot be read, or is no ARPA file, though it should be.
    """
    path = ngrams if ngrams.suffix == BINARY else _kept_beside(ngrams)
    if path == ngrams or path.is_file():
        with _opened(path) as file:
            return Compiled(file)
    with tempfile.TemporaryFile() as fresh:
        _write(ngrams, fresh)
        return Compiled(fresh)


def keep_compiled(arpa: Path) -> None:
    """Have `compiled` find it made, from now until the text changes.

    Raises:
        LanguageModelError: it is no ARPA file.
        OSError: nothing can be written beside it.
    """
    kept = _kept_beside(arpa)
    if kept.is_file():
        return
    with tempfile.NamedTemporaryFile(dir=arpa.parent, prefix=".", suffix=BINARY, delete=False) as file:
        try:
            _write(arpa, file)
        except BaseException:
            os.unlink(file.name)
            raise
    os.chmod(file.name, arpa.stat().st_mode)
    os.replace(file.name, kept)
    for former in set(arpa.parent.glob(f"{arpa.name}.*{BINARY}")) - {kept}:
        former.unlink(missing_ok=True)


def _write(arpa: Path, file: IO[Any]) -> None:
    ngrams = read_arpa(arpa)
    try:
        file.writelines(binary_parts(ngrams))
    except ValueError as err:
        raise LanguageModelError(f"{arpa} holds what cannot be: {err}. Build the language model again.") from err
    file.flush()


def _kept_beside(arpa: Path) -> Path:
    """Another one for every text."""
    with _opened(arpa) as file:
        digest = hashlib.blake2b(file.read(), digest_size=8).hexdigest()
    return arpa.with_name(f"{arpa.name}.{digest}{BINARY}")


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as err:
        raise LanguageModelError(f"{path} cannot be read: {err.strerror}.") from err
