"""Whether the audio of a session is kept: what its client wishes, and what it may have. Pure."""

from enum import Enum, auto

from transcription.protocol import Start


class Storing(Enum):
    """What may be kept. OFF: this server keeps none. FULL: there is no room left. FORBIDDEN: not for this API key.
    ON_REQUEST: what a client asks for. ALWAYS: unless the client says no.
    """

    OFF = auto()
    FULL = auto()
    FORBIDDEN = auto()
    ON_REQUEST = auto()
    ALWAYS = auto()


def is_stored(start: Start, storing: Storing) -> bool:
    match storing:
        case Storing.ALWAYS:
            return start.store_audio is not False
        case Storing.ON_REQUEST:
            return start.store_audio is True
        case _:
            return False


def storing_complaint(start: Start, storing: Storing) -> str | None:
    """Why a client cannot have what it asks for, or None. Where there is no room it is told so, and the session goes on."""
    if start.store_audio is not True:
        return None
    match storing:
        case Storing.OFF:
            return "store_audio is true, but this server stores no audio. Leave it out."
        case Storing.FORBIDDEN:
            return (
                "store_audio is true, but this API key may not have audio stored. Leave it out, or use a key with `audio:store`."
            )
        case _:
            return None
