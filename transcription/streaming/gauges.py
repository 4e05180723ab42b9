"""What is looked at in the living objects of a web process when somebody reads its meters. From any thread."""

from collections import Counter

from inference.meters import Readings
from transcription.metrics import names
from transcription.metrics.meters import web
from transcription.recognizer import every_client
from transcription.session.stream_session import Phase
from transcription.streaming.live import every_live_stream
from transcription.streaming.measuring import audio_seconds
from transcription.streaming.recorder import every_recorder

_ever_live: Counter[tuple[str, ...]] = Counter()


def watch_streams() -> None:
    """Called once, when the web process begins."""
    web.watch(names.SESSIONS_LIVE, sessions_live)
    web.watch(names.STREAMS_SPEAKING, streams_speaking)
    web.watch(names.AUDIO, audio_received)
    web.watch(names.RECORDER_WAITING, recorder_waiting)
    web.watch(names.LINK_UP, links_up)


def sessions_live() -> Readings:
    """By model and language. Where there was one and is none any more, that is said: it is no missing data."""
    found: Counter[tuple[str, ...]] = Counter(
        (web.model(session.model), web.language(session.language))
        for stream in every_live_stream()
        if (session := stream.session).phase in {Phase.LIVE, Phase.ENDING}
    )
    _ever_live.update(dict.fromkeys(found.keys() - _ever_live.keys(), 0))
    return {key: float(found[key]) for key in _ever_live}


def streams_speaking() -> Readings:
    living = (stream.session for stream in every_live_stream())
    return {(): float(sum(session.phase is Phase.LIVE and session.results.is_speaking for session in living))}


def audio_received() -> Readings:
    for stream in every_live_stream():
        stream.measures.tally()
    return {(): audio_seconds()}


def recorder_waiting() -> Readings:
    return {(): float(sum(recorder.num_waiting for recorder in every_recorder()))}


def links_up() -> Readings:
    links = (link for client in every_client() for link in client.workers)
    return {(link.name,): float(link.can_take) for link in links}
