"""The language models of this process, by name: read when they are first asked for, and again when their files change."""

import contextlib
import logging
import threading
from functools import lru_cache
from pathlib import Path
from typing import Final

from inference.config import MODEL_NAME
from inference.decoding.artefact import NO_LANGUAGE_MODEL, SETTINGS_FILE, LmFiles
from inference.decoding.language_model import LanguageModel
from inference.decoding.ngrams.compiled import BINARY, keep_compiled
from inference.errors import LanguageModelError, UnknownLanguageModelError

logger = logging.getLogger(__name__)

MAX_SHOWN: Final = 20


class LanguageModels:
    """Those in the folders of `folder`, which need not be there. Any thread may call it; what it gives is used by one."""

    def __init__(self, folder: Path | None) -> None:
        """folder: None: there are none."""
        self.folder: Final = folder
        self._loaded: dict[str, LanguageModel] = {}
        self._failed: dict[str, tuple[int, LanguageModelError]] = {}
        self._missed: set[str] = set()
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """In alphabetical order; not looked into."""
        found = [] if self.folder is None else self.folder.glob(f"*/{SETTINGS_FILE}")
        return sorted(path.parent.name for path in found if _is_name(path.parent.name))

    def check(self, name: str) -> None:
        """Whether a stream may ask for it. Empty: the model's own or none.

        Raises:
            UnknownLanguageModelError: there is none of that name.
        """
        if name and name != NO_LANGUAGE_MODEL:
            self._path(name)

    def get(self, name: str) -> LanguageModel:
        """Blocks while it is read, the first time and when it has changed. One that was damaged since is used as it was.

        Raises:
            UnknownLanguageModelError: there is none of that name.
            LanguageModelError: it cannot be used.
        """
        with self._lock:
            return self._get(name)

    def chosen(self, name: str, own: LanguageModel | None) -> LanguageModel | None:
        """What a segment is decoded with. `own`: of the model that hears it, which stands in where `name` is gone or damaged."""
        if not name or name == NO_LANGUAGE_MODEL:
            return None if name else own
        try:
            return self.get(name)
        except (UnknownLanguageModelError, LanguageModelError) as err:
            if name not in self._missed:
                self._missed.add(name)
                logger.error("streams go on without the language model %s: %s", name, err)
            return own

    def _get(self, name: str) -> LanguageModel:
        path, known = self._path(name), self._loaded.get(name)
        changed_ns = _changed_ns(path)
        if known is not None and known.files.changed_ns == changed_ns:
            return known
        failed_ns, failure = self._failed.get(name, (None, None))
        if failure is None or failed_ns != changed_ns:
            failure = self._read(name, path, changed_ns)
        if name in self._loaded:
            return self._loaded[name]
        assert failure is not None
        raise failure

    def _read(self, name: str, path: Path, changed_ns: int) -> LanguageModelError | None:
        """Returns why it cannot be used; None: it can."""
        try:
            self._loaded[name] = _in_folder(path)
        except LanguageModelError as err:
            self._failed[name] = changed_ns, err
            logger.error("language model %s: %s", name, err)
            return err
        self._failed.pop(name, None)
        self._missed.discard(name)
        logger.info("language model %s is read: %d words", name, len(self._loaded[name].words))
        return None

    def _path(self, name: str) -> Path:
        if self.folder is not None and _is_name(name) and (self.folder / name / SETTINGS_FILE).is_file():
            return self.folder / name
        names = self.names()
        shown = ", ".join(names[:MAX_SHOWN]) + (", \u2026" if len(names) > MAX_SHOWN else "")
        raise UnknownLanguageModelError(
            f"There is no language model {name[:100]!r}; there are: {shown or 'none'}. `manage.py lm build` makes one."
        )


@lru_cache
def language_models_in(folder: Path) -> LanguageModels:
    """The same for all who ask, so that each is in memory once."""
    return LanguageModels(folder)


def _in_folder(path: Path) -> LanguageModel:
    """What was made of text is kept where it may be: others need not make it again."""
    files = LmFiles.in_folder(path)
    if files.ngrams.suffix != BINARY:
        with contextlib.suppress(OSError):
            keep_compiled(files.ngrams)
    return LanguageModel(files)


def _is_name(name: str) -> bool:
    return MODEL_NAME.fullmatch(name) is not None


def _changed_ns(path: Path) -> int:
    """0: it has just gone."""
    try:
        return (path / SETTINGS_FILE).stat().st_mtime_ns
    except FileNotFoundError:
        return 0
