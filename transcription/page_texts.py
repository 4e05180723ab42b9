"""Every sentence that a script may show: rendered into the page as JSON, so that one .po file holds all translations.

The keys that start with ``fail_`` are what can end or prevent a recording; each says what happened and what to do.
"""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

LANGUAGES: Final = [
    ("en", "English"),
    ("zh", "中文"),
    ("ar", "العربية"),
    ("ca", "Català"),
    ("cs", "Čeština"),
    ("da", "Dansk"),
    ("de", "Deutsch"),
    ("el", "Ελληνικά"),
    ("es", "Español"),
    ("fi", "Suomi"),
    ("fr", "Français"),
    ("he", "עברית"),
    ("hi", "हिन्दी"),
    ("hu", "Magyar"),
    ("id", "Bahasa Indonesia"),
    ("it", "Italiano"),
    ("ja", "日本語"),
    ("ko", "한국어"),
    ("nl", "Nederlands"),
    ("no", "Norsk"),
    ("pl", "Polski"),
    ("pt", "Português"),
    ("ro", "Română"),
    ("ru", "Русский"),
    ("sv", "Svenska"),
    ("th", "ไทย"),
    ("tr", "Türkçe"),
    ("uk", "Українська"),
    ("vi", "Tiếng Việt"),
]

LIVE_TEXTS: Final[dict[str, Promise]] = {
    "state_idle": _("Press to speak"),
    "state_asking": _("Getting ready…"),
    "state_asking_microphone": _("Please allow the microphone"),
    "state_live": _("Listening"),
    "state_live_file": _("Playing the file"),
    "state_reconnecting": _("Reconnecting…"),
    "state_draining": _("Finishing the last words…"),
    "state_done": _("Finished"),
    "state_failed": _("Stopped"),
    "button_start": _("Start recording"),
    "button_stop": _("Stop recording"),
    "button_cancel": _("Cancel"),
    "button_give_up": _("Stop waiting for the connection"),
    "button_dismiss": _("Dismiss"),
    "model_automatic": _("Automatic"),
    "model_scenario": _("Scenario: {scenario}"),
    "model_serving": _("Recognised by {model}"),
    "models_serving": _("Recognised by {model}, while you speak by {partials}"),
    "copied": _("Copied"),
    "copy_failed": _("The browser did not allow copying. Select the text and copy it by hand."),
    "summary_saved": _("Saved: {duration} of audio, segments: {segments}."),
    "summary_incomplete": _("Some audio could not be transcribed ({gap} is missing). What was recognised is saved."),
    "notice_silent": _(
        "The microphone sends only silence. Check that it is not muted and that the right one is chosen in your system settings."
    ),
    "notice_quiet": _("The microphone is very quiet. Move closer, or turn up its level in your system settings."),
    "notice_slow": _("The connection is slow: audio is waiting to be sent. Nothing is lost yet; text will be late."),
    "notice_lag": _("Recognition is {seconds} s behind. Nothing is lost; text will be late."),
    "notice_reconnecting": _(
        "The connection to the server is interrupted. Go on speaking: the last minute is kept and sent when it is back."
    ),
    "notice_reconnecting_file": _(
        "The connection to the server is interrupted. The file waits, and plays on when the connection is back."
    ),
    "notice_reconnecting_end": _(
        "The connection to the server is interrupted. The last words appear when it is back. Press the button to stop waiting."
    ),
    "notice_dropped": _("The connection was away for too long to keep everything: {seconds} s of what you said are lost."),
    "notice_continued": _(
        "The server could not go on with the recording as it was, so a new one goes on here. "
        "The part before is saved in the history as a session of its own."
    ),
    "notice_gap": _("Audio from {from} to {to} is missing: it never reached the server."),
    "notice_not_ready": _("The recognition service is still starting. You can record as soon as this message goes away."),
    "fail_no_permission": _(
        "The browser did not allow the microphone. Open the site settings beside the address, allow the microphone, "
        "and press the button again."
    ),
    "fail_no_device": _("No microphone was found. Connect one, or drop an audio file instead."),
    "fail_device_busy": _(
        "The microphone could not be opened; another program may be using it. Close that program and try again."
    ),
    "fail_device_removed": _(
        "The microphone was disconnected. What you said so far is saved; connect it and press the button to go on."
    ),
    "fail_interrupted": _("Another app or a call took the microphone. What you said so far is saved; press the button to go on."),
    "fail_insecure_origin": _(
        "Browsers give the microphone only to secure pages. Open this page over https, or as localhost on this computer. "
        "Audio files work here too."
    ),
    "fail_unsupported_browser": _(
        "This browser cannot record audio in the way this page needs. Use a current Chrome, Edge, Firefox or Safari."
    ),
    "fail_file_not_audio": _("This file could not be read as audio. Choose a WAV, MP3, M4A, FLAC, Ogg or WebM file."),
    "fail_file_too_large": _("This file is larger than 500 MB. Choose a shorter recording or a compressed format."),
    "fail_could_not_connect": _(
        "Could not connect to the server. Check that it is running and that you are signed in, then reload this page."
    ),
    "fail_connection_lost": _(
        "The connection to the server was lost and did not come back. What was recognised so far is saved; "
        "press the button to go on."
    ),
    "fail_gave_up": _("You stopped waiting for the connection. What was recognised before is saved."),
    "fail_server_full": _("The server is full at the moment. Wait a little and try again."),
    "fail_server_not_ready": _("The server did not get ready in time. It may still be starting; try again in a moment."),
    "fail_server_draining": _("The server is restarting. What was recognised so far is saved; try again in a moment."),
    "fail_internal": _("The server had an internal problem. What was recognised so far is saved; try again."),
    "fail_inference_unavailable": _(
        "The recognition service does not answer; it may be restarting. What was recognised so far is saved; "
        "try again in a moment."
    ),
    "fail_recognition_failed": _(
        "This audio could not be recognised. What was recognised before is saved; press the button to go on."
    ),
    "fail_not_signed_in": _("You are not signed in, or may not record here. Sign in and reload this page."),
    "fail_refused": _("The server refused this recording. Choose another language or model, or ask whoever runs the server."),
    "fail_idle_timeout": _(
        "The recording was closed because nothing was heard for a long time. Press the button to start again."
    ),
    "fail_session_too_long": _(
        "The recording has reached the longest time allowed. It is saved; press the button to start a new one."
    ),
    "fail_access_revoked": _(
        "You are not signed in any more. What was recognised so far is saved; sign in and reload this page."
    ),
    "fail_ended_by_operator": _("An operator of this server has ended the recording. What was recognised so far is saved."),
    "fail_slow_client": _(
        "This page was asleep or too busy to take the text. What was recognised so far is saved; press the button to go on."
    ),
    "fail_bad_answer": _(
        "The server sent something that this page does not understand. Reload the page; the server may have been updated."
    ),
    "fail_unknown": _("The recording ended unexpectedly ({reason}). Press the button to try again."),
}

HISTORY_TEXTS: Final[dict[str, Promise]] = {key: LIVE_TEXTS[key] for key in ("copied", "copy_failed", "button_dismiss")}
