"""Which models there are, which of them takes a stream, and who takes over from one that goes: pure policy, no thread.

The recognition loop's own; nobody else touches it.
"""

from collections.abc import Collection, Iterable
from typing import Any

from msgspec import structs

from inference.batching import Pace
from inference.engines.base import Engine
from inference.errors import (
    InferenceError,
    ModelKeptError,
    ModelNeededError,
    MovedError,
    UnknownModelError,
    UnsupportedLanguageError,
)
from inference.messages import ModelInfo, StreamOptions
from inference.segment import Stride

Languages = tuple[str, ...]


class Lineup:
    """Args:
    engines: in order of preference; loaded and warm. Those that are added come after them.
    """

    def __init__(self, engines: Iterable[Engine[Any]]) -> None:
        self.engines = {engine.info.name: engine for engine in engines}
        self.paces = {name: Pace() for name in self.engines}
        self._retiring: dict[str, str] = {}
        self._replaced: dict[str, str] = {}
        self._elsewhere: set[str] = set()  # to be had in other processes, until room was made here and another one was added
        self._leaving: set[str] = set()

    # Asking

    def is_retiring(self, name: str) -> bool:
        return name in self._retiring

    @property
    def retiring(self) -> tuple[str, ...]:
        return tuple(self._retiring)

    def sends_away(self, name: str) -> bool:
        """Whether streams that are to go on with `name` leave this process."""
        return name in self._leaving

    def infos(self) -> tuple[ModelInfo, ...]:
        """Of all models that are loaded, as the web side is told of them."""
        return tuple(
            structs.replace(
                engine.info,
                is_draining=name in self._retiring,
                replaces=tuple(gone for gone in self._replaced if self._present(gone) == name),
            )
            for name, engine in self.engines.items()
        )

    def engine_for(self, options: StreamOptions) -> Engine[Any]:
        """The engine that a new stream is given.

        Raises:
            UnknownModelError, UnsupportedLanguageError: there is none.
            MovedError: there is one in another process, while room is made in this one.
        """
        if options.model is not None:
            return self.named(options.model, options.languages)
        for name, engine in self.engines.items():
            if name not in self._retiring and engine.info.can_serve(options.languages):
                return engine
        raise self._missing(
            UnsupportedLanguageError(
                f"No loaded model knows {', '.join(options.languages) or 'how to detect languages'}; "
                f"loaded models: {', '.join(self._staying())}."
            )
        )

    def named(self, name: str, languages: Languages) -> Engine[Any]:
        """The engine that is asked for, or the one that took over from it.

        Raises:
            UnknownModelError, UnsupportedLanguageError: there is none, or it does not know the languages.
            MovedError: as `engine_for`.
        """
        present = self._present(name)
        if present is None:
            raise self._missing(
                UnknownModelError(f"There is no model {name!r} here; loaded models: {', '.join(self._staying())}.")
            )
        engine = self.engines[present]
        if not engine.info.can_serve(languages):
            known = ", ".join(engine.info.languages)
            raise UnsupportedLanguageError(f"Model {present} does not serve {', '.join(languages) or 'auto'}; it knows {known}.")
        return engine

    def partial_model_for(self, options: StreamOptions, model: str) -> str:
        """The model that writes partial texts for a stream whose finals `model` writes; empty: the same one does, for no other
        is wished for, or it is not here, or does not know the languages.
        """
        present = self._present(options.partial_model) if options.partial_model else None
        is_able = present not in {None, model} and self.engines[present or ""].info.can_serve(options.languages)
        return present if present and is_able else ""

    def stride_of(self, name: str) -> Stride | None:
        """Of a model that remembers what it heard of a segment; None: it hears the whole of it each time."""
        info = self.engines[name].info
        return Stride(info.first_step_samples, info.step_samples) if info.step_samples else None

    def heir_of(self, name: str, languages: Languages) -> str | None:
        """The model that goes on with a stream of `name`, which is being unloaded: the successor, else any that can."""
        successor = self._present(self._retiring.get(name, ""))
        candidates = [*([successor] if successor else []), *self._staying()]
        return next((other for other in candidates if other != name and self.engines[other].info.can_serve(languages)), None)

    # Changing

    def add(self, engine: Engine[Any]) -> None:
        name = engine.info.name
        self.engines[name] = engine
        self.paces[name] = Pace()
        self._replaced.pop(name, None)
        self._elsewhere.clear()

    def retire(self, name: str, successor: str, heard: Collection[Languages]) -> None:
        """`name` takes no new streams. `successor`: who goes on with them, or nothing. `heard`: languages of its streams.

        Raises:
            UnknownModelError: one of both is not there, or is going itself.
            ModelNeededError: what its streams say could not be recognised any more.
        """
        self._check_there(name)
        if successor:
            self._check_there(successor)
        self._check_not_needed(name, successor, heard)
        self._retiring[name] = successor
        if successor:
            self._stand_in(name, successor)

    def retire_elsewhere(self, name: str, successor: str) -> None:
        """`name` takes no new streams; other processes have it, or the `successor`, which may come here later.

        Raises:
            UnknownModelError: it is not there, or is going already.
        """
        self._check_there(name)
        self._retiring[name] = ""
        self._elsewhere.add(name)
        if successor:
            self._stand_in(name, successor)

    def send_away(self, name: str) -> None:
        """Let its streams leave. Not before the web processes have been told that it takes none: they would send them back."""
        self._leaving.add(name)

    def succeed(self, name: str, successor: str) -> None:
        """Whoever asks for `name`, which is not here, gets `successor`.

        Raises:
            UnknownModelError: that is not here either, or is going.
        """
        self._check_there(successor)
        if name not in self.engines:
            self._stand_in(name, successor)

    def restore(self, name: str) -> None:
        """It stays after all."""
        self._retiring.pop(name, None)
        self._replaced.pop(name, None)
        self._leaving.discard(name)
        self._elsewhere.discard(name)

    def remove(self, name: str) -> Engine[Any]:
        """Give it away; `retire` came before.

        Raises:
            ModelKeptError: `restore` has come since.
        """
        if name not in self._retiring:
            raise ModelKeptError(f"{name} was asked for again while it was being unloaded, so it stays.")
        self._leaving.discard(name)
        del self._retiring[name], self.paces[name]
        return self.engines.pop(name)

    # Inside

    def _staying(self) -> list[str]:
        return [name for name in self.engines if name not in self._retiring]

    def _present(self, name: str) -> str | None:
        """`name` itself, or who took over from it, and so on."""
        while name not in self.engines or name in self._retiring:
            if name not in self._replaced:
                return None
            name = self._replaced[name]
        return name

    def _stand_in(self, name: str, successor: str) -> None:
        """Nobody stands in for the successor, so no two replace each other."""
        self._replaced.pop(successor, None)
        self._replaced[name] = successor

    def _missing(self, err: InferenceError) -> InferenceError:
        """Why there is no model for a stream: `err`, except while room is made."""
        return MovedError() if self._elsewhere else err

    def _check_there(self, name: str) -> None:
        if name not in self.engines or name in self._retiring:
            raise UnknownModelError(
                f"There is no model {name!r} here to go on with; loaded models: {', '.join(self._staying())}."
            )

    def _check_not_needed(self, name: str, successor: str, heard: Collection[Languages]) -> None:
        others = [other for other in self._staying() if other != name]
        if not others or successor == name:
            raise ModelNeededError(f"{name} is the only model here. Load another one first.")
        for languages in heard:
            if not any(self.engines[other].info.can_serve(languages) for other in others):
                raise ModelNeededError(
                    f"{name} is heard by streams in {', '.join(languages) or 'languages to be detected'}, which no other model "
                    "here knows. Load one that does first."
                )
