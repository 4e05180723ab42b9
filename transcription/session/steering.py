"""Which model one session asks for, at its beginning and whenever something has changed. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec import UNSET, UnsetType

from inference.messages import ModelInfo
from transcription.protocol import Start
from transcription.serving.routes import RouteTable


@dataclass(slots=True)
class Steering:
    """Args:
    routes, models: as they are now, asked again at each use. `may_choose`: whether its client may name a model.

    `model`: what recognition was asked for last; None: it chooses by itself, as it does where there are no routes.
    """

    routes: Callable[[], RouteTable]
    models: Callable[[], Sequence[ModelInfo]]
    may_choose: bool = True
    model: str | None = field(default=None, init=False)

    def model_complaint(self, start: Start) -> str | None:
        """Why its client may not have the model that it names, or None."""
        if start.model is None or self.may_choose:
            return None
        return f"model is {start.model!r}, but this API key may not choose a model. Leave it out, or name a scenario."

    def scenario_complaint(self, start: Start) -> str | None:
        """Why there is no such scenario, or None."""
        return self.routes().complaint(start.scenario)

    def first(self, start: Start, languages: Sequence[str]) -> str | None:
        """What to ask for at the beginning: what the client has named, else what the routes say."""
        self.model = start.model or self.routes().model_for(start.scenario, languages, self.models())
        return self.model

    def resumed(self, start: Start, languages: Sequence[str], model: str) -> str | None:
        """What to ask for where a session goes on that had `model` elsewhere: of what is still there, as far as is known."""
        models = self.models()
        names = {info.name for info in models}
        routed = None if start.model else self.routes().model_for(start.scenario, languages, models)
        wishes = (start.model, routed, model)
        self.model = next((name for name in wishes if name and (name in names or not names)), None)
        return self.model

    def next(self, start: Start, languages: Sequence[str], current: str) -> str | UnsetType:
        """What to change to now; UNSET: it stays with `current`.

        Who has named a model keeps it. Where no route has one, a stream stays where it is as long as it can be heard there.
        """
        models = self.models()
        if start.model is not None or (self.model is None and not self.routes().routes):
            return UNSET
        wanted = self.routes().model_for(start.scenario, languages, models) or self._refuge(languages, current, models)
        if wanted is None or (wanted == current and self.model in {None, wanted}):
            return UNSET
        self.model = wanted
        return wanted

    def _refuge(self, languages: Sequence[str], current: str, models: Sequence[ModelInfo]) -> str | None:
        """The model that it has, if that is still there, else the first that knows the languages; None: there is none."""
        able = [info.name for info in models if info.can_serve(languages) and not info.is_draining]
        return current if current in able else next(iter(able), None)
