"""What is done to models and their streams while others go on speaking. Everything here belongs to the recognition thread."""

from dataclasses import dataclass
from typing import Any

from inference.clients import Client, give_up
from inference.engines.base import Engine
from inference.errors import ModelGoneError
from inference.messages import ModelInfo
from inference.roster import Roster


@dataclass(frozen=True, slots=True)
class Moves:
    """How many streams go on with another model, and how many could not."""

    num_moved: int = 0
    num_failed: int = 0


class Mover:
    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._lineup = roster.lineup

    def add(self, engine: Engine[Any]) -> tuple[ModelInfo, ...]:
        """Streams may be given to it from now on. Returns all models."""
        self._lineup.add(engine)
        return self._lineup.infos()

    def retire(self, name: str, successor: str) -> tuple[ModelInfo, ...]:
        """It takes no new streams; the loop tells when the last one has let go of it. Returns all models.

        Raises:
            UnknownModelError, ModelNeededError: as `Lineup.retire`.
        """
        heard = {client.stream.next_options.languages for client in self._roster.users_of(name)}
        self._lineup.retire(name, successor, heard)
        self._roster.has_freed = True
        self._roster.look_for_unused()
        return self._lineup.infos()

    def retire_elsewhere(self, name: str, successor: str) -> tuple[ModelInfo, ...]:
        """It takes no new streams, and `send_away` takes its own from here. Returns all models.

        Raises:
            UnknownModelError: as `Lineup.retire_elsewhere`.
        """
        self._lineup.retire_elsewhere(name, successor)
        self._roster.has_freed = True
        return self._lineup.infos()

    def send_away(self, name: str) -> int:
        """Let its streams go on in other processes, each from its next segment on. Returns how many there are."""
        self._lineup.send_away(name)
        users = list(self._roster.users_of(name))
        for client in users:
            self._roster.settle_partials(client)
            self._roster.touch(client)
        self._roster.has_freed = True
        return len(users)

    def succeed(self, name: str, successor: str) -> tuple[ModelInfo, ...]:
        """`successor` stands for `name`, which is not here. Returns all models.

        Raises:
            UnknownModelError: as `Lineup.succeed`.
        """
        self._lineup.succeed(name, successor)
        return self._lineup.infos()

    def restore(self, name: str) -> tuple[ModelInfo, ...]:
        """It stays after all. Returns all models."""
        self._lineup.restore(name)
        return self._lineup.infos()

    def remove(self, name: str) -> Engine[Any]:
        """Nobody needs it any more; whoever gets it closes it.

        Raises:
            ModelKeptError: as `Lineup.remove`.
        """
        return self._lineup.remove(name)

    def infos(self) -> tuple[ModelInfo, ...]:
        return self._lineup.infos()

    def move_streams(self, name: str) -> Moves:
        """Let its streams go on with another model, each from its next segment on. One that no other can hear is failed."""
        users = list(self._roster.users_of(name))
        moved = [self._move(client, name) for client in users]
        return Moves(moved.count(True), moved.count(False))

    def end_segments(self, name: str) -> None:
        """Make boundaries where none come by themselves: a client may send no more audio in the middle of a word."""
        for client in list(self._roster.users_of(name)):
            client.stream.end_segment()
            self._roster.touch(client)

    def _move(self, client: Client, name: str) -> bool:
        stream = client.stream
        self._roster.settle_partials(client)
        if stream.next_model != name:
            return True
        heir = self._lineup.heir_of(name, stream.next_options.languages)
        if heir is not None:
            self._roster.change_model(client, heir)
            return True
        languages = ", ".join(stream.next_options.languages) or "a language to be detected"
        give_up(
            stream, ModelGoneError(f"The model {name} is not served any more, and no other one knows {languages}. Start again.")
        )
        self._roster.touch(client)
        return False
