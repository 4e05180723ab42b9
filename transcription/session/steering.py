"""With which models one session asks to be heard, at its beginning and whenever something has changed. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from msgspec import UNSET, UnsetType

from inference.messages import ModelInfo
from transcription.protocol import Start
from transcription.serving.routes import Choice, RouteTable
from transcription.session.actions import ConfigureRecognition


@dataclass(slots=True)
class Steering:
    """Args:
    routes, models: as they are now, asked again at each use. `may_choose`: whether its client may name a model.
    `language_model`: for a client that names none; empty: that of its route.

    `asked`: what recognition was asked for last. No model: it chooses by itself, as it does where there are no routes.
    """

    routes: Callable[[], RouteTable]
    models: Callable[[], Sequence[ModelInfo]]
    may_choose: bool = True
    language_model: str = ""
    asked: Choice = field(default=Choice(), init=False)

    def model_complaint(self, start: Start) -> str | None:
        """Why its client may not have the model that it names, or None."""
        if start.model is None or self.may_choose:
            return None
        return f"model is {start.model!r}, but this API key may not choose a model. Leave it out, or name a scenario."

    def scenario_complaint(self, start: Start) -> str | None:
        """Why there is no such scenario, or None."""
        return self.routes().complaint(start.scenario)

    def language_model_complaint(self, name: str | None) -> str | None:
        """Why there is no such language model, or None."""
        return self.routes().language_model_complaint(name)

    def first(self, start: Start, languages: Sequence[str]) -> Choice:
        """What to ask for at the beginning: what the client has named, else what the routes say."""
        self.asked = self._chosen(start, languages)
        return self.asked

    def resumed(self, start: Start, languages: Sequence[str], model: str) -> Choice:
        """What to ask for where a session goes on that had `model` elsewhere: of what is still there, as far as is known."""
        chosen = self._chosen(start, languages)
        names = {info.name for info in self.models()}
        present = next((name for name in (chosen.model, model) if name and (name in names or not names)), None)
        partial_model = chosen.partial_model if present == chosen.model else None
        self.asked = replace(chosen, model=present, partial_model=partial_model)
        return self.asked

    def next(self, start: Start, languages: Sequence[str], current: str) -> ConfigureRecognition:
        """What to change now, if anything; `current`: the model that serves.

        Who has named a model keeps it. Where no route has one, a stream stays where it is as long as it can be heard there.
        """
        chosen = self._chosen(start, languages)
        model = self._next_model(chosen.model, start, languages, current)
        asked, self.asked = self.asked, replace(chosen, model=self.asked.model if isinstance(model, UnsetType) else model)
        return ConfigureRecognition(
            model=model,
            partial_model=UNSET if chosen.partial_model == asked.partial_model else chosen.partial_model,
            language_model=UNSET if chosen.language_model == asked.language_model else chosen.language_model,
        )

    def model_for(self, start: Start, languages: Sequence[str], current: str) -> str:
        """The model that would serve then."""
        model = self._next_model(self._chosen(start, languages).model, start, languages, current)
        return current if isinstance(model, UnsetType) else model

    def _chosen(self, start: Start, languages: Sequence[str]) -> Choice:
        table = self.routes()
        routed = table.choice_for(start.scenario, languages, self.models())
        of_key = self.language_model if table.has_language_model(self.language_model) else ""
        language_model = start.language_model or of_key or routed.language_model
        if start.model is not None:
            return Choice(start.model, None, start.language_model or of_key)
        return replace(routed, language_model=language_model)

    def _next_model(self, routed: str | None, start: Start, languages: Sequence[str], current: str) -> str | UnsetType:
        """UNSET: it stays with `current`."""
        if start.model is not None or (self.asked.model is None and not self.routes().routes):
            return UNSET
        wanted = routed or self._refuge(languages, current, self.models())
        if wanted is None or (wanted == current and self.asked.model in {None, wanted}):
            return UNSET
        return wanted

    def _refuge(self, languages: Sequence[str], current: str, models: Sequence[ModelInfo]) -> str | None:
        """The model that it has, if that is still there, else the first that knows the languages; None: there is none."""
        able = [info.name for info in models if info.can_serve(languages) and not info.is_draining]
        return current if current in able else next(iter(able), None)
