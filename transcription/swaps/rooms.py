"""Where the old and the new model do not fit into a process beside each other: the old one makes room. Its streams leave, the web
processes take them to another process, it is unloaded, and the new one is loaded and tried in its place.

One process does so before the route is switched, while the others have the old model. Each of the others does so afterwards,
when streams have a process that serves with the new one. Where the new model fails, the old one is loaded again. What was done
in which process is read from the record, so that another worker can go on with it, or take it back.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass

from inference.messages import LoadModel, UnloadModel, WorkerStatus
from transcription.models import ModelSwap
from transcription.swaps.canary import canary_for
from transcription.swaps.errors import MemoryTooShort, SwapFailed
from transcription.swaps.fleet import Fleet, OnStage, has_model, spec_of
from transcription.swaps.journal import Journal, load_report, unload_report
from transcription.swaps.needs import is_needed_besides

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rooms:
    """Those that one swap makes. The swap has a route and both models wherever something is done here."""

    swap: ModelSwap
    fleet: Fleet
    journal: Journal
    on_stage: OnStage

    @property
    def made(self) -> list[str]:
        """Processes where room was made before the switch."""
        return self.journal.workers("room")

    @property
    def due(self) -> list[str]:
        """Processes where it is made after the switch."""
        return self.journal.workers("later")

    def make_in(self, worker: str, err: MemoryTooShort) -> None:
        """Make room in a process that has too little memory, now or after the switch, and load the new model there.

        Raises:
            SwapFailed: that cannot be done, or the new model was not loaded; the old one is there.
        """
        self.check_possible(err)
        ready = self.ready()
        with_new = [other for other in ready if other != worker and has_model(ready[other], self.swap.to_name)]
        with_old = [other for other in ready if other != worker and has_model(ready[other], self.swap.from_name)]
        others, old = ", ".join(with_new or with_old), self.swap.from_name
        if not others:
            raise SwapFailed(
                f"{err} No other inference process serves {old}, so none could take its streams while room is made."
            ) from err
        self.check_places(worker, with_new or with_old, err)
        if with_new:
            self.journal.note(
                worker,
                "later",
                f"There is too little memory for both models: {old} makes room here when streams have gone over to {others}.",
            )
            return
        self.journal.note(
            worker,
            "room",
            f"There is too little memory for both models, so {old} makes room here first; its streams go on at {others}.",
        )
        self.exchange(worker, successor="")

    def check_possible(self, err: MemoryTooShort) -> None:
        route, old = self.swap.route, self.swap.from_model
        if route is None or old is None or not route.is_enabled or route.model_id != old.pk:
            raise err
        if is_needed_besides(old.name, route):
            raise SwapFailed(
                f"{err} Room cannot be made: {old} stays in memory, since another route or HARK_MODELS names it."
            ) from err

    def check_places(self, worker: str, others: Collection[str], err: MemoryTooShort) -> None:
        """Whether there are places for all streams of `worker`. One that has too much to do has none."""
        loads = self.fleet.loads()
        num_streams = loads[worker].num_streams
        num_free = sum(loads[other].num_free for other in others if not loads[other].is_overloaded)
        if num_free < num_streams:
            raise SwapFailed(
                f"{err} Room could be made, but its {num_streams} streams would have to go on at {', '.join(others)}, where "
                f"{num_free} places are left. Try again when fewer people speak."
            ) from err

    def follow(self) -> None:
        """After the switch: the other processes.

        Raises:
            SwapFailed: one of them has not loaded the new model; what it has is in the record.
        """
        made, due = self.made, self.due
        ready = self.ready() if made else {}
        for worker in made:
            if worker in ready and has_model(ready[worker], self.swap.to_name):
                self.name_successor(worker)
        for worker in due:
            status = self.ready().get(worker)
            if status and has_model(status, self.swap.from_name) and not has_model(status, self.swap.to_name):
                self.exchange(worker, successor=self.swap.to_name)

    def take_back(self) -> None:
        """Load the old model again where room was made. What fails is noted; `tending` tries again."""
        made = self.made
        ready = self.ready() if made else {}
        for worker in made:
            status = ready.get(worker)
            if status and not has_model(status, self.swap.from_name):
                try:
                    if has_model(status, self.swap.to_name):
                        self.send_away(worker, self.swap.to_name, successor=self.swap.from_name)
                    self.load_again(worker)
                except SwapFailed as err:
                    self.journal.note(worker, "kept", str(err))
                    logger.warning("%s keeps %s: %s", worker, self.swap.to_name, err)

    def is_old_anywhere(self) -> bool:
        return any(has_model(status, self.swap.from_name) for status in self.ready().values())

    # --- One process

    def exchange(self, worker: str, successor: str) -> None:
        """The new model in place of the old one.

        Raises:
            SwapFailed: it was not done. Where the new model failed, the old one was loaded again, if that was possible.
        """
        self.send_away(worker, self.swap.from_name, successor)
        new, language = self.swap.to_model, "" if self.swap.route is None else self.swap.route.language
        assert new is not None
        try:
            loaded = self.fleet.load(worker, LoadModel(spec=spec_of(new), canary=canary_for(new, language)), self.on_stage)
        except SwapFailed:
            self.load_again(worker)
            raise
        self.journal.note(worker, "loaded", load_report(loaded))

    def send_away(self, worker: str, name: str, successor: str) -> None:
        """Unload a model whose streams go on in other processes."""
        unloaded = self.fleet.unload(worker, UnloadModel(model=name, successor=successor, is_elsewhere=True), self.on_stage)
        self.journal.note(worker, "unloaded", unload_report(unloaded, "in other processes"))

    def load_again(self, worker: str) -> None:
        """The old model, which has served here and needs no trial."""
        old = self.swap.from_model
        assert old is not None
        try:
            self.fleet.load(worker, LoadModel(spec=spec_of(old)), self.on_stage)
        except SwapFailed as err:
            self.journal.note(worker, "missing", f"{old} could not be loaded again: {err}")
            logger.error("%s has lost %s while room was made: %s", worker, old, err)
        else:
            self.journal.note(worker, "back", f"{old} is loaded again.")

    def name_successor(self, worker: str) -> None:
        """Whoever has named the old model gets the new one there."""
        request = UnloadModel(model=self.swap.from_name, successor=self.swap.to_name)
        try:
            self.fleet.unload(worker, request, lambda *_step: None)
        except SwapFailed as err:
            logger.warning("%s was not told that %s stands for %s: %s", worker, self.swap.to_name, self.swap.from_name, err)

    def ready(self) -> dict[str, WorkerStatus]:
        return {worker: status for worker, status in self.fleet.statuses().items() if status.is_ready}
