"""What one client has asked for, and what it has got: options, languages, a model, and whether its audio is kept. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec import UNSET, UnsetType, structs

from inference import messages as link
from inference.capabilities import WISHES, Wish
from transcription.languages import language_complaint, language_tags
from transcription.protocol import Configure, ContainerEncoding, Start
from transcription.serving.routes import Choice, RouteTable
from transcription.session.actions import ConfigureRecognition, OpenRecognition
from transcription.session.intake import AudioFormat
from transcription.session.options import (
    NO_CHANGE,
    applied_to,
    change_of,
    misread_without,
    recognition_change,
    stream_options,
    unsupported_in,
)
from transcription.session.steering import Steering
from transcription.session.storing import Storing, is_stored, storing_complaint
from transcription.session.wishes import without_effect

_FIELD_OF: Final = {"unknown_language_model": "language_model", "unsupported_language": "language"}
"""Of `configure`, by the complaint that refuses it."""


class Complaint(NamedTuple):
    """What cannot be: a stable code, and a sentence that says what came, what was expected and what to do."""

    code: str
    message: str


@dataclass(slots=True)
class Terms:
    """Args:
    default_language: for a client that names none. models, routes: those loaded and in service now, asked again at each use.
    may_choose_model: whether its client may name one. language_model: for a client that names none. storing: what audio may be
    kept, asked when it begins.

    `model` is empty until recognition is open.
    """

    default_language: str
    models: Callable[[], Sequence[link.ModelInfo]]
    routes: Callable[[], RouteTable] = RouteTable
    may_choose_model: bool = True
    language_model: str = ""
    storing: Callable[[], Storing] = lambda: Storing.OFF
    start: Start = field(default_factory=Start, init=False)
    languages: tuple[str, ...] = field(default=(), init=False)
    model: str = field(default="", init=False)
    language: str = field(default="", init=False)
    stores_audio: bool = field(default=False, init=False)
    steering: Steering = field(init=False)

    def __post_init__(self) -> None:
        self.steering = Steering(self.routes, self.models, self.may_choose_model, self.language_model)

    # The beginning

    def refusal(self, start: Start) -> Complaint | None:
        """Why a session cannot be what its client wants; None: it can."""
        if (sentence := self.steering.model_complaint(start)) is not None:
            return Complaint("model_not_allowed", sentence)
        if (sentence := storing_complaint(start, self.storing())) is not None:
            return Complaint("store_audio_not_allowed", sentence)
        if (sentence := self.steering.language_model_complaint(start.language_model)) is not None:
            return Complaint("unknown_language_model", sentence)
        sentence = unsupported_in(start) or self.steering.scenario_complaint(start)
        return None if sentence is None else Complaint("unsupported_option", sentence)

    def late_refusal(self, start: Start, taken: AudioFormat | ContainerEncoding, *, is_reliable: bool) -> Complaint | None:
        """Audio came before `start` and was read as `taken` and as the defaults say."""
        if (misread := misread_without(start, taken=taken, is_reliable=is_reliable)) is not None:
            return Complaint("start_after_audio", misread)
        if (refusal := self.refusal(start)) is not None:
            return refusal
        if start.store_audio and not self.stores_audio:
            sentence = "start asks for the audio to be stored, but some came before it and was not. Send start first."
            return Complaint("start_after_audio", sentence)
        return None

    def agree(self, start: Start) -> None:
        self.start = start
        self.languages = language_tags(start.language, self.default_language)

    def agree_late(self, start: Start) -> Configure:
        """What of it counts from the next segment on."""
        self.start = structs.replace(self.start, scenario=start.scenario)
        return change_of(start, self.default_language)

    def agree_again(self, start: Start, model: str) -> None:
        """As in another process, where `model` served."""
        self.agree(start)
        self.model = model
        self.language = self.languages[0] if len(self.languages) == 1 else "auto"

    def opening(self, audio_format: AudioFormat, checkpoint: link.Checkpoint) -> OpenRecognition:
        """Recognition of a session that begins; it may have had finals without audio."""
        return self._open(audio_format, self.steering.first(self.start, self.languages), checkpoint)

    def reopening(self, audio_format: AudioFormat, checkpoint: link.Checkpoint) -> OpenRecognition:
        """Recognition of a session that goes on after `checkpoint`."""
        return self._open(audio_format, self.steering.resumed(self.start, self.languages, self.model), checkpoint)

    def _open(self, audio_format: AudioFormat, choice: Choice, checkpoint: link.Checkpoint) -> OpenRecognition:
        self.stores_audio = is_stored(self.start, self.storing())
        options = stream_options(self.start, self.languages, audio_format, choice)
        return OpenRecognition(options, checkpoint, self.stores_audio)

    def opened(self, event: link.StreamOpened) -> None:
        self.model, self.language = event.model, event.language

    def missing(self, event: link.StreamOpened) -> Iterator[Complaint]:
        """What the client asked for and this server cannot do now."""
        if self.start.denoise and not event.denoise:
            sentence = "denoise is true, but this server has no RNNoise; the audio is heard as it comes."
            yield Complaint("option_not_available", sentence)
        if self.start.store_audio and not self.stores_audio:
            sentence = "store_audio is true, but there is no room for more audio; it is heard and not stored."
            yield Complaint("audio_not_stored", sentence)
        yield from self.without_effect()

    def without_effect(self, wishes: Iterable[Wish] = WISHES, former: str = "") -> Iterator[Complaint]:
        """What the client asked for and the model that serves makes no use of. former: the model before, of which it knows."""
        infos = {info.name: info for info in self.models()}
        for sentence in without_effect(self.start, wishes, infos.get(self.model), infos.get(former)):
            yield Complaint("option_not_available", sentence)

    # Changes

    def change(self, change: Configure) -> tuple[ConfigureRecognition, list[Complaint]]:
        """What recognition is to do from the next segment on, and what cannot be changed."""
        complaints = list(self._complaints(change))
        refused = {_FIELD_OF[complaint.code]: UNSET for complaint in complaints}
        change = structs.replace(change, **refused)
        languages: tuple[str, ...] | UnsetType = UNSET
        if not isinstance(change.language, UnsetType):
            languages = self.languages = language_tags(change.language, self.default_language)
        self.start = applied_to(self.start, change)
        complaints += self.without_effect([wish for wish in WISHES if getattr(change, wish) is not UNSET])
        is_led = change.language is not UNSET or change.language_model is not UNSET
        models = self.steering.next(self.start, self.languages, self.model) if is_led else NO_CHANGE
        return recognition_change(change, languages, models), complaints

    def _complaints(self, change: Configure) -> Iterator[Complaint]:
        """Why something of it cannot be changed."""
        language_model = None if isinstance(change.language_model, UnsetType) else change.language_model
        if (sentence := self.steering.language_model_complaint(language_model)) is not None:
            yield Complaint("unknown_language_model", sentence)
        if not isinstance(change.language, UnsetType):
            languages = language_tags(change.language, self.default_language)
            server = self.steering.model_for(applied_to(self.start, change), languages, self.model)
            if (sentence := language_complaint(languages, server, self.models())) is not None:
                yield Complaint("unsupported_language", sentence)

    def reroute(self) -> ConfigureRecognition | None:
        """The routes, or the models that are loaded, may have changed; None: nothing is to be done."""
        change = self.steering.next(self.start, self.languages, self.model)
        return None if change.is_empty else change

    def store_no_more(self) -> None:
        self.stores_audio = False
        self.start = structs.replace(self.start, store_audio=False)
