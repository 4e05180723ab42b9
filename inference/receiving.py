"""What links ask for their streams is carried out: streams are opened, told what they hear and how, and ended."""

import logging
from collections.abc import Callable, Sequence

from msgspec import UNSET, UnsetType, structs

from inference.clients import Client, about_stream, sparing_others
from inference.decoding.lms import LanguageModels
from inference.errors import FullError, InferenceError, OverloadedError
from inference.held import HeldRequests, Key
from inference.messages import (
    AnyStreamEvent,
    AnyStreamRequest,
    AudioChunk,
    AudioGap,
    CancelStream,
    ConfigureStream,
    EndStream,
    FinalizeStream,
    OpenStream,
    QuietPassed,
    StreamOpened,
    failure,
)
from inference.roster import Roster
from inference.stream import Stream

logger = logging.getLogger(__name__)

Deliver = Callable[[int, list[AnyStreamEvent]], None]


class Receiver:
    """Belongs to the recognition thread.

    Args:
        roster: where streams are entered.
        language_models: that streams may ask for.
        deliver: called with a link's number and why a stream of it was refused.
        do: has a task carried out on that thread.
        max_streams: open streams beyond which others are refused.
        is_overloaded: whether all are refused but those that go on.
    """

    def __init__(
        self,
        roster: Roster,
        language_models: LanguageModels,
        deliver: Deliver,
        do: Callable[[Callable[[], None]], None],
        *,
        max_streams: int,
        is_overloaded: Callable[[], bool],
    ) -> None:
        self._roster = roster
        self._lineup = roster.lineup
        self._language_models = language_models
        self._deliver = deliver
        self._max_streams = max_streams
        self._is_overloaded = is_overloaded
        self._held = HeldRequests(language_models, do, self._go_on)

    def carry_out(self, link_id: int, request: AnyStreamRequest) -> None:
        """Or put it off while the language model of its stream is read."""
        key = (link_id, request.stream)
        if isinstance(request, OpenStream):
            self._open(link_id, request)
            return
        client = self._roster.clients.get(key)
        if client is None or client.stream.is_done:
            return  # failed or cancelled a moment ago; the web process has been or will be told
        if self._held.takes(key, request):
            return
        self._roster.active[key] = client
        with sparing_others(client.stream):
            self._command(client, request, key)

    def forget(self, key: Key) -> None:
        """The stream is over."""
        self._held.drop(key)
        self._roster.drop(key)

    def forget_link(self, link_id: int) -> None:
        """So are all streams of the link."""
        for key in [key for key in self._roster.clients if key[0] == link_id]:
            self.forget(key)

    def _go_on(self, key: Key, requests: Sequence[AnyStreamRequest]) -> None:
        """With what a stream has said while its language model was read."""
        for request in requests:
            self.carry_out(key[0], request)

    def _command(self, client: Client, request: AnyStreamRequest, key: Key) -> None:
        match request:
            case AudioChunk():
                client.stream.push(request.payload)
            case AudioGap():
                client.stream.push_gap(request.num_frames)
            case QuietPassed():
                client.stream.pass_over(request.num_frames, request.floor_db)
            case ConfigureStream():
                self._configure(client, request)
            case FinalizeStream():
                client.stream.finalize()
            case EndStream():
                client.stream.end()
            case CancelStream():
                self.forget(key)

    def _open(self, link_id: int, request: OpenStream) -> None:
        try:
            self._admit(request)
            engine = self._lineup.engine_for(request.options)
            if not request.goes_on:
                self._language_models.check(request.options.language_model)
        except InferenceError as err:
            self._deliver(link_id, [failure(request.stream, err)])
            return
        name = engine.info.name
        stream = Stream(
            request.stream, name, request.options, request.checkpoint, session=request.session, stride_of=self._lineup.stride_of
        )
        stream.next_partial_model = self._lineup.partial_model_for(request.options, name)
        key = link_id, request.stream
        self._roster.add(key, Client(link_id, stream, engine))
        self._held.hold(key, request.options.language_model)
        language = request.options.languages[0] if len(request.options.languages) == 1 else "auto"
        stream.events.append(StreamOpened(stream=request.stream, model=name, language=language, denoise=stream.is_denoised))

    def _configure(self, client: Client, request: ConfigureStream) -> None:
        """The web side refuses what the model does not know; what slips through changes nothing."""
        if not isinstance(request.model, UnsetType):
            languages = client.stream.next_options.languages if isinstance(request.languages, UnsetType) else request.languages
            request = structs.replace(request, model=self._model_for(client, request.model, languages))
        model = client.stream.next_model if isinstance(request.model, UnsetType) else request.model
        info = self._lineup.engines[model].info
        if not isinstance(request.languages, UnsetType) and not info.can_serve(request.languages):
            subject = about_stream(client.stream)
            logger.warning("a stream of %s was to know %s; kept as it was", info.name, request.languages, extra=subject)
            request = structs.replace(request, languages=UNSET)
        if not isinstance(request.language_model, UnsetType):
            request = structs.replace(request, language_model=self._language_model_for(client, request.language_model))
        client.stream.configure(request)
        self._roster.change_model(client, model)

    def _model_for(self, client: Client, model: str, languages: tuple[str, ...]) -> str | UnsetType:
        """The model itself, or who took over from it."""
        try:
            return self._lineup.named(model, languages).info.name
        except InferenceError as err:
            subject, former = about_stream(client.stream), client.stream.next_model
            logger.warning("a stream of %s was to change to %s; kept as it was: %s", former, model, err, extra=subject)
            return UNSET

    def _language_model_for(self, client: Client, name: str) -> str | UnsetType:
        """The one that is asked for, if it is there."""
        try:
            self._language_models.check(name)
        except InferenceError as err:
            subject = about_stream(client.stream)
            logger.warning("a stream was to be decoded with another language model; kept as it was: %s", err, extra=subject)
            return UNSET
        return name

    def _admit(self, request: OpenStream) -> None:
        if len(self._roster.clients) >= self._max_streams:
            raise FullError(f"All {self._max_streams} streams of this server are taken. Try again later.")
        if self._is_overloaded() and not request.goes_on:
            raise OverloadedError
