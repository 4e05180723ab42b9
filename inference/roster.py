"""The streams of this process: which of them have something to do, and which models they need. The recognition loop's own; nobody
else touches it."""

from collections.abc import Callable, Iterator

from inference.clients import Client
from inference.held import Key
from inference.lineup import Lineup


class Roster:
    """Args:
    on_unused: called with the name of a model that is to be unloaded when no stream needs it any more.

    `clients`: all of them. `active`: those that a pass looks at; of thousands of streams few have anything to do. `has_freed`: a
    stream may have let go of a model since the last look.
    """

    def __init__(self, lineup: Lineup, on_unused: Callable[[str], None] = lambda _model: None) -> None:
        self.lineup = lineup
        self.on_unused = on_unused
        self.clients: dict[Key, Client] = {}
        self.active: dict[Key, Client] = {}
        self.has_freed = False

    def add(self, key: Key, client: Client) -> None:
        self.clients[key] = self.active[key] = client

    def drop(self, key: Key) -> None:
        """Let engines forget the stream."""
        client = self.clients.pop(key)
        self.active.pop(key, None)
        self.has_freed = True
        client.drop_draft()
        client.engine.finish(client.state)

    def touch(self, client: Client) -> None:
        """Let the next pass look at it."""
        self.active[client.link_id, client.stream.stream_id] = client

    def users_of(self, model: str) -> Iterator[Client]:
        """Streams that need it still."""
        return (client for client in self.clients.values() if client.engine.info.name == model or model in client.stream.models)

    def look_for_unused(self) -> None:
        """Tell of models that are to go and that nobody needs any more, when streams have ended or changed."""
        if self.has_freed:
            self.has_freed = False
            for model in self.lineup.retiring:
                if not any(self.users_of(model)):
                    self.on_unused(model)

    def change_model(self, client: Client, model: str) -> None:
        """From its next segment on."""
        if model != client.stream.next_model:
            self.has_freed = True
            client.stream.change_model(model)
            self.touch(client)
        self.settle_partials(client)

    def settle_partials(self, client: Client) -> None:
        """Let partial texts be written by the model that is wished for from the next segment on, if that can be."""
        stream = client.stream
        model = self.lineup.partial_model_for(stream.next_options, stream.next_model)
        if model != stream.next_partial_model:
            self.has_freed = True
            stream.next_partial_model = model

    def follow_model(self, client: Client) -> None:
        """Let the engine that recognises the stream from now on begin with it, and the one before forget it."""
        if client.stream.model != client.engine.info.name:
            self.has_freed = True
            client.engine.finish(client.state)
            client.engine = self.lineup.engines[client.stream.model]
            client.state = client.engine.open_stream()

    def drop_old_draft(self, client: Client) -> None:
        """Where the segment is over."""
        draft, stream = client.draft, client.stream
        if draft is not None and (draft.number != stream.num_begun or not stream.partial_model):
            self.has_freed = True
            client.drop_draft()
