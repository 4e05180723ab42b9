"""The language models of this process, by name: read when they are first asked for, and again when their files change."""

import contextlib
import logging
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol
from weakref import WeakSet

from inference.config import MODEL_NAME
from inference.decoding.artefact import NO_LANGUAGE_MODEL, SETTINGS_FILE, LmFiles
from inference.decoding.language_model import LanguageModel
from inference.decoding.ngrams.compiled import BINARY, keep_compiled
from inference.errors import LanguageModelError, UnknownLanguageModelError
from inference.turns import short_turns

logger = logging.getLogger(__name__)

MAX_SHOWN: Final = 20


class DecodesWith(Protocol):
    """Whoever makes something of a language model before it can use it."""

    def get_ready(self, model: LanguageModel) -> None:
        """Make it now. Blocks; on the thread that has read the model.

        Raises:
            LanguageModelError: it cannot be used.
        """


class LanguageModels:
    """Those in the folders of `folder`, which need not be there. Any thread may call it; what it gives is used by one."""

    def __init__(self, folder: Path | None) -> None:
        """folder: None: there are none."""
        self.folder: Final = folder
        self._loaded: dict[str, LanguageModel] = {}
        self._failed: dict[str, tuple[int, LanguageModelError]] = {}
        self._missed: set[str] = set()
        self._users: WeakSet[DecodesWith] = WeakSet()
        self._reading: dict[str, list[Callable[[], None]]] = {}
        self._reads = threading.Lock()
        self._asks = threading.Lock()

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

    def add_user(self, user: DecodesWith) -> None:
        """Have it get ready for all that are read, now and from now on. Blocks for the former."""
        with self._reads:
            self._users.add(user)
            for name, model in self._loaded.items():
                try:
                    user.get_ready(model)
                except LanguageModelError as err:
                    logger.error("language model %s: %s", name, err)

    def get(self, name: str) -> LanguageModel:
        """Blocks while it is read, the first time and when it has changed. One that was damaged since is used as it was.

        Raises:
            UnknownLanguageModelError: there is none of that name.
            LanguageModelError: it cannot be used.
        """
        with self._reads:
            return self._get(name)

    def is_ready(self, name: str) -> bool:
        """Whether a segment that asks for it need not wait: there may be no such one, or none that can be used."""
        if not name or name == NO_LANGUAGE_MODEL or name in self._loaded:
            return True
        path = self._folder_of(name)
        return path is None or self._failed.get(name, (0, None))[0] == _changed_ns(path)

    def prepare(self, name: str, then: Callable[[], None]) -> None:
        """Have it read on another thread, which calls `then` when it is, or cannot be."""
        with self._asks:
            is_being_read = name in self._reading
            self._reading.setdefault(name, []).append(then)
        if not is_being_read:
            threading.Thread(target=self._read_aside, args=(name,), name=f"language model {name}", daemon=True).start()

    def chosen(self, name: str, own: LanguageModel | None) -> LanguageModel | None:
        """What a segment is decoded with. `own`: of the model that hears it, which stands in where `name` is gone or damaged, or
        is still being prepared. One that was built again is used as it was meanwhile. Blocks for one that nobody has prepared."""
        if not name or name == NO_LANGUAGE_MODEL:
            return None if name else own
        try:
            found = self._present(name)
        except (UnknownLanguageModelError, LanguageModelError) as err:
            if name not in self._missed:
                self._missed.add(name)
                logger.error("streams go on without the language model %s: %s", name, err)
            return own
        return own if found is None else found

    def _present(self, name: str) -> LanguageModel | None:
        """None: it is being prepared."""
        path, known = self._path(name), self._loaded.get(name)
        changed_ns, (failed_ns, failure) = _changed_ns(path), self._failed.get(name, (None, None))
        if known is not None:
            if changed_ns not in {known.files.changed_ns, failed_ns}:
                self.prepare(name, lambda: None)
            return known
        if failure is not None and failed_ns == changed_ns:
            raise failure
        return None if name in self._reading else self.get(name)

    def _read_aside(self, name: str) -> None:
        try:
            with short_turns, contextlib.suppress(UnknownLanguageModelError, LanguageModelError):
                self.get(name)
        finally:
            with self._asks:
                waiting = self._reading.pop(name)
            for then in waiting:
                then()

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
            model = _in_folder(path)
            for user in self._users:
                user.get_ready(model)
        except LanguageModelError as err:
            self._failed[name] = changed_ns, err
            logger.error("language model %s: %s", name, err)
            return err
        except Exception:  # read again by everybody who asks for it, it would break again and again
            logger.exception("language model %s: reading it broke", name)
            failure = LanguageModelError(
                f"Reading {path} broke; the log has the details. It is tried again when it is built again."
            )
            self._failed[name] = changed_ns, failure
            return failure
        self._loaded[name] = model
        self._failed.pop(name, None)
        self._missed.discard(name)
        logger.info("language model %s is read: %d words", name, len(model.words))
        return None

    def _folder_of(self, name: str) -> Path | None:
        if self.folder is not None and _is_name(name) and (self.folder / name / SETTINGS_FILE).is_file():
            return self.folder / name
        return None

    def _path(self, name: str) -> Path:
        if (path := self._folder_of(name)) is not None:
            return path
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
