"""Carries one swap out, in these steps:

1. check: the route and the model are still there, and inference processes answer;
2. load: each process in turn loads the new model beside the old one and tries it on a reference clip;
3. switch: one transaction names the new model in the route; web processes see it within seconds and lead their streams over,
   each at the end of its segment;
4. drain: each process gives the old model back, unless somebody else needs it.

Where both models do not fit into a process, `rooms` says how: the first such process makes room in step 2, the others in step 4.

A failure before the switch leaves everything as it was; what was loaded for nothing is unloaded. A failure after it leaves the
old model in memory, for `tending` to remove; where room could not be made after it, the route goes back.
"""

import logging
import time
from dataclasses import dataclass, field
from typing import Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_noop

from inference.messages import Canary, LoadModel, UnloadModel, WorkerStatus
from transcription.alerts import report_incident, settle_incident
from transcription.models import ASRModel, ModelRoute, ModelSwap
from transcription.serving.choices import settle_choice
from transcription.swaps.canary import canary_for
from transcription.swaps.errors import MemoryTooShort, SwapFailed
from transcription.swaps.fleet import Fleet, has_model, spec_of
from transcription.swaps.journal import Journal, load_report, unload_report
from transcription.swaps.locks import route_to_ourselves
from transcription.swaps.needs import models_of, needed_models
from transcription.swaps.requests import hand_over, why_unfit
from transcription.swaps.rooms import Rooms

SETTLE_S: Final = 4.0
"""Web processes look at the routes every two seconds; then no new stream comes to the old model."""
DRAIN_S: Final = 30.0
"""How long streams may stay with a model that is to go: longer than a segment lasts, so that nobody is cut."""
FAILURE: Final = gettext_noop("The swap of %(route)s to %(model)s failed")
ABANDONED: Final = "The worker that carried this swap out came to its end. The old model serves."

State = ModelSwap.State
logger = logging.getLogger(__name__)


def run_swap(swap_id: int, fleet: Fleet) -> None:
    """Carry out a swap, or bring one to its end whose worker is gone. Blocks for minutes.

    Returns at once where another worker has the route, or too many swaps run; `tending` asks again.
    """
    route_id = ModelSwap.objects.values_list("route_id", flat=True).get(pk=swap_id)
    with route_to_ourselves(route_id or 0) as is_ours:
        if not is_ours:
            return
        swap = ModelSwap.objects.select_related("route", "from_model", "to_model").get(pk=swap_id)
        if not swap.is_over and not is_before_its_turn(swap):
            SwapRun(swap, fleet).go()
    hand_over_next(route_id)


def is_before_its_turn(swap: ModelSwap) -> bool:
    """Whether an older one of its route waits: a lighter model is loaded after the route's own."""
    return ModelSwap.objects.filter(route=swap.route, state=State.WAITING, pk__lt=swap.pk).exists()


def hand_over_next(route_id: int | None) -> None:
    """Whoever waited for this swap to end."""
    waiting = ModelSwap.objects.filter(route_id=route_id, state=State.WAITING).order_by("pk").first()
    if waiting is not None:
        hand_over(waiting.pk)


@dataclass
class SwapRun:
    swap: ModelSwap
    fleet: Fleet
    journal: Journal = field(init=False)
    rooms: Rooms = field(init=False)
    loaded_on: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = Journal(self.swap)
        self.rooms = Rooms(self.swap, self.fleet, self.journal, self.on_stage)

    def go(self) -> None:
        """From where the swap stands: it may have been left by a worker that died."""
        match self.swap.state:
            case State.WAITING:
                self.begin()
            case State.DRAINING:
                self.drain()
            case _:
                self.give_back()
                self.fail(ABANDONED)

    def begin(self) -> None:
        try:
            route, model = self.check()
            self.load(route, model)
            self.switch(route, model)
        except SwapFailed as err:
            self.give_back()
            self.fail(str(err))
            return
        self.drain()

    # --- Steps

    def check(self) -> tuple[ModelRoute, ASRModel]:
        self.journal.enter(State.CHECKING)
        route, model = self.swap.route, self.swap.to_model
        if route is None or model is None:
            raise SwapFailed("The route or the model was deleted meanwhile.")
        sentence = why_unfit(route.language, model)
        if sentence:
            raise SwapFailed(sentence)
        if self.is_restoring and model not in models_of(route):
            raise SwapFailed("The route has another model by now.")
        if self.is_restoring and not route.is_enabled:
            raise SwapFailed("The route is not in service.")
        return route, model

    def load(self, route: ModelRoute, model: ASRModel) -> None:
        """On every process that answers, one after the other: while one is busy with it, the others are not."""
        statuses = self.statuses()
        canary = canary_for(model, route.language)
        self.journal.enter(State.LOADING, "" if canary else "No reference clip is in a language that the model knows.")
        for worker in statuses:
            if not has_model(statuses[worker], model.name):
                self.load_on(worker, model, canary)

    def load_on(self, worker: str, model: ASRModel, canary: Canary | None) -> None:
        request = LoadModel(spec=spec_of(model), canary=canary)
        self.loaded_on.append(worker)  # even if it fails: nobody knows how far it came
        try:
            loaded = self.fleet.load(worker, request, self.on_stage)
        except MemoryTooShort as err:
            self.rooms.make_in(worker, err)
        else:
            self.journal.note(worker, "loaded", load_report(loaded))

    def switch(self, route: ModelRoute, model: ASRModel) -> None:
        """The point of no return, except where room has still to be made. A worker that dies right after it leaves a swap that is
        draining."""
        if self.is_restoring:
            self.journal.enter(State.DRAINING)
            return
        self.journal.enter(State.SWITCHING)
        with transaction.atomic():
            current = ModelRoute.objects.select_for_update().filter(pk=route.pk).first()
            if current is None:
                raise SwapFailed("The route was deleted meanwhile.")
            before_id, current.model = current.model_id, model
            current.is_enabled = True
            current.fallback_since = None
            current.save(update_fields=["model", "is_enabled", "fallback_since"])
            if not self.rooms.due:
                self.settle(current, before_id)
            self.journal.enter(State.DRAINING)

    def settle(self, route: ModelRoute, before_id: int | None) -> None:
        """The model stays. `before_id`: the one that the route had."""
        if before_id != route.model_id:
            route.previous_model_id = before_id
            route.save(update_fields=["previous_model"])
        settle_choice(route, self.swap)
        self.mark_rolled_back(route)

    def mark_rolled_back(self, route: ModelRoute) -> None:
        """The swap that brought the model which is now taken back."""
        if self.swap.reason == ModelSwap.Reason.ROLLBACK:
            brought = ModelSwap.objects.filter(route=route, to_model=self.swap.from_model, state=State.DONE)
            newest = brought.exclude(reason=ModelSwap.Reason.RESTORE).order_by("-pk").first()
            if newest is not None:
                ModelSwap.objects.filter(pk=newest.pk).update(state=State.ROLLED_BACK)

    def drain(self) -> None:
        """Take back the memory of the old model, where nobody needs it, and finish."""
        try:
            self.follow()
        except SwapFailed as err:
            if self.turn_back():
                self.fail(str(err))
                return
        self.settle_late()
        self.journal.finish(State.DONE)
        settle_incident(incident_key(self.swap))

    def follow(self) -> None:
        """Raises:
        SwapFailed: a process that had to make room after the switch could not do so.
        """
        old, new = self.swap.from_name, self.swap.to_name
        if self.is_turned_back():
            raise SwapFailed(ABANDONED)
        if not old or old == new:
            return
        if old in needed_models():
            self.journal.note("", "kept", f"{old} stays in memory: a route or HARK_MODELS names it.")
            return
        time.sleep(SETTLE_S)
        self.rooms.follow()
        self.unload_everywhere(old, successor=new)

    def settle_late(self) -> None:
        """Where the route could have gone back until now."""
        if self.rooms.due:
            with transaction.atomic():
                current = self.routes_with(self.swap.to_model).select_for_update().first()
                if current is not None:
                    self.settle(current, self.swap.from_model_id)

    # --- Back

    def give_back(self) -> None:
        """Unload what was loaded for nothing, and load again what made room."""
        made = self.rooms.made
        loaded_on = [worker for worker in self.loaded_on if worker not in made]
        if loaded_on and self.swap.to_name not in needed_models():
            self.unload_everywhere(self.swap.to_name, successor=self.swap.from_name, only=loaded_on)
        self.rooms.take_back()

    def turn_back(self) -> bool:
        """Let the old model serve again. False: no process has it any more, so the new one goes on."""
        if not self.rooms.is_old_anywhere():
            old, new = self.swap.from_name, self.swap.to_name
            self.journal.note("", "kept", f"No inference process has {old} any more, so {new} goes on serving.")
            return False
        self.routes_with(self.swap.to_model).update(model=self.swap.from_model)
        time.sleep(SETTLE_S)
        self.give_back()
        return True

    def is_turned_back(self) -> bool:
        """Whether a worker died while it let the old model serve again."""
        return bool(self.rooms.due) and self.routes_with(self.swap.from_model).exists()

    def fail(self, sentence: str) -> None:
        self.journal.finish(State.FAILED, sentence)
        logger.error("swap %d of %s to %s failed: %s", self.swap.pk, self.swap.route_name, self.swap.to_name, sentence)
        names = {"route": self.swap.route_name, "model": self.swap.to_name}
        report_incident(incident_key(self.swap), FAILURE, names=names, detail=sentence)

    # --- Pieces

    def routes_with(self, model: ASRModel | None) -> QuerySet[ModelRoute]:
        """The swap's route, if it is there and has that model now."""
        return ModelRoute.objects.filter(pk=self.swap.route_id or 0, model=model)

    @property
    def is_restoring(self) -> bool:
        """A model that the route has already is loaded again: nothing is switched."""
        return self.swap.reason == ModelSwap.Reason.RESTORE

    def statuses(self) -> dict[str, WorkerStatus]:
        """Of the processes that answer, in their order.

        Raises:
            SwapFailed: none does.
        """
        statuses = self.fleet.statuses()
        for worker in [worker for worker, status in statuses.items() if not status.is_ready]:
            self.journal.note(worker, "unreachable", f"{statuses.pop(worker).detail} It loads the model when it is back.")
        if not statuses:
            raise SwapFailed("No inference process answers, so none could load the model.")
        return statuses

    def unload_everywhere(self, name: str, successor: str, only: list[str] | None = None) -> None:
        """What cannot be unloaded stays, and is noted; `tending` tries again."""
        for worker, status in self.fleet.statuses().items():
            if has_model(status, name) and (only is None or worker in only):
                try:
                    unloaded = self.fleet.unload(
                        worker, UnloadModel(model=name, drain_s=DRAIN_S, successor=successor), self.on_stage
                    )
                except SwapFailed as err:
                    self.journal.note(worker, "kept", str(err))
                    logger.warning("%s keeps %s: %s", worker, name, err)
                else:
                    self.journal.note(worker, "unloaded", unload_report(unloaded))

    def on_stage(self, worker: str, stage: str, detail: str) -> None:
        if stage == "canary" and self.swap.state == State.LOADING:
            self.journal.enter(State.CANARY)
        elif stage == "loading" and self.swap.state == State.CANARY:
            self.journal.enter(State.LOADING)
        self.journal.note(worker, stage, detail)


def incident_key(swap: ModelSwap) -> str:
    """Failures of one route are one alert, until a swap of it succeeds."""
    return f"swap/{swap.route_id or swap.route_name}"
