"""Django settings: one reader per setting, no GPU and no running service needed to import this module.

Every value that an operator may change comes from the environment through `asr_project.env`; docs/settings.md lists them.
"""

import logging
import re
import socket
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from asr_project import env
from asr_project.discretion import DISCREET_LEVELS, coarser
from asr_project.telemetry import EXPORTERS, PROTOCOLS, trace_exporter
from inference.logs import LOG_FORMATS

# --- Paths and mode ---------------------------------------------------------------------------------------------------

BASE_DIR = Path(__file__).resolve().parent.parent
DEBUG = env.read_bool("DEBUG", default=False)
VAR_DIR = Path(env.read_str("HARK_VAR_DIR", str(BASE_DIR / "var")))

# --- Security ---------------------------------------------------------------------------------------------------------

SECRET_KEY = env.read_str("SECRET_KEY", "insecure-for-development-only" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set. Set SECRET_KEY or SECRET_KEY_FILE, or run `make serve`, which makes one.")
ALLOWED_HOSTS = env.read_list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.read_list("CSRF_TRUSTED_ORIGINS", [])
HTTPS_ONLY = env.read_bool("HARK_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS_ONLY
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS_ONLY else None
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"

# --- Address ----------------------------------------------------------------------------------------------------------


def url_prefix(text: str) -> str:
    """The path below which the site stands behind a proxy, without a slash at its end; empty for the root.

    Raises:
        ImproperlyConfigured: it does not begin with a slash, or holds characters that a path may not.
    """
    prefix = text.rstrip("/")
    if not re.fullmatch(r"(/[\w.~-]+)*", prefix, flags=re.ASCII):
        raise ImproperlyConfigured(f"HARK_URL_PREFIX is {text!r}; expected a path such as /speech.")
    return prefix


URL_PREFIX = url_prefix(env.read_str("HARK_URL_PREFIX", ""))
FORCE_SCRIPT_NAME = URL_PREFIX or None
# Probes speak plain HTTP to the process itself.
SECURE_REDIRECT_EXEMPT = [rf"^{re.escape(f'{URL_PREFIX}/'.lstrip('/'))}(healthz|readyz|metrics)$"]
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = f"{URL_PREFIX}/"  # not shown to the host's other sites

# --- Applications -----------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "daphne",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "transcription",
]
MIDDLEWARE = [
    "transcription.access.policies.browser_policies",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "asr_project.urls"
ASGI_APPLICATION = "asr_project.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "admin:login"

# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def database_from_url(url: str) -> dict[str, object]:
    """Django's DATABASES entry for a postgresql:// address (host may be a socket folder, percent-encoded or ?host=).

    Raises:
        ImproperlyConfigured: another scheme, or no database name.
    """
    parts = urlsplit(url)
    name = unquote(parts.path.lstrip("/"))
    if parts.scheme not in {"postgres", "postgresql"} or not name:
        raise ImproperlyConfigured(
            f"DATABASE_URL must look like postgresql://user@host:5432/name; its scheme is {parts.scheme!r}."
        )
    query = dict(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(query.get("host", parts.hostname or "")),
        "PORT": str(parts.port or query.get("port", "")),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5},
    }


DATABASES = {"default": database_from_url(env.read_str("DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/hark"))}

# --- Valkey: channel layer and Celery ---------------------------------------------------------------------------------

REDIS_URL = env.read_str("REDIS_URL", "redis://127.0.0.1:6379/0")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # A receiver waits 5 s in Valkey; the client's own limit of 5 s would break that wait off as an error.
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}]},
    }
}
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True  # what could not be acknowledged is delivered again
CELERY_TIMEZONE = "UTC"
CELERY_DB_REUSE_MAX = 10**9  # Celery would close the connection at every task; here Django closes it, as `CONN_MAX_AGE` says
HARK_CANARY_EVERY_S = env.read_int("HARK_CANARY_EVERY_S", 3600, minimum=0, maximum=604_800)
CELERY_BEAT_SCHEDULE = {
    "play the canary": {
        "task": "transcription.tasks.play_canary",
        "schedule": float(HARK_CANARY_EVERY_S or 3600),
        "options": {"expire_seconds": HARK_CANARY_EVERY_S or 3600},
        "enabled": HARK_CANARY_EVERY_S > 0,
    },
    "publish accuracy": {
        "task": "transcription.tasks.publish_accuracy",
        "schedule": 60.0,
        "options": {"expire_seconds": 50},
    },
    "close abandoned sessions": {
        "task": "transcription.tasks.close_abandoned_sessions",
        "schedule": 60.0,
        "options": {"expire_seconds": 50},
    },
    "drop resume points": {
        "task": "transcription.tasks.drop_resume_points",
        "schedule": 600.0,
        "options": {"expire_seconds": 500},
    },
    "sweep": {
        "task": "transcription.tasks.sweep",
        "schedule": 3600.0,
        "options": {"expire_seconds": 3000},
    },
    "pursue erasures": {
        "task": "transcription.tasks.pursue_erasures",
        "schedule": 5.0,  # each is told at once as well; all must be over within a minute
        "options": {"expire_seconds": 4},
    },
    "apply schedules": {
        "task": "transcription.tasks.apply_schedules",
        "schedule": 2.0,  # a boundary counts within five seconds
        "options": {"expire_seconds": 4},
    },
    "evaluate alerts": {
        "task": "transcription.tasks.evaluate_alerts",
        "schedule": 5.0,  # what has held for as long as a rule says is told within fifteen seconds
        "options": {"expire_seconds": 5},
    },
    "forget alerts": {
        "task": "transcription.tasks.forget_alerts",
        "schedule": 3600.0,
        "options": {"expire_seconds": 3000},
    },
    "collect metrics": {
        "task": "transcription.tasks.collect_metrics",
        "schedule": 5.0,  # an alert waits for it
        "options": {"expire_seconds": 4},
    },
    "roll up metrics": {
        "task": "transcription.tasks.roll_up_metrics",
        "schedule": 30.0,
        "options": {"expire_seconds": 25},
    },
    "drop old metrics": {
        "task": "transcription.tasks.drop_old_metrics",
        "schedule": 600.0,
        "options": {"expire_seconds": 500},
    },
    "tend models": {
        "task": "transcription.tasks.tend_models",
        "schedule": 5.0,
        "options": {"expire_seconds": 5},
    },
}

# --- Language, time, static files -------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "transcription" / "locale"]
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = f"{URL_PREFIX}/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEBUG

# --- REST -------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "transcription.api.authentication.KeyAuthentication",  # the first one makes it 401, not 403
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["transcription.api.permissions.IsKnownListener"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "transcription.api.renderers.FormatOrAccept",
    "EXCEPTION_HANDLER": "transcription.api.errors.handle",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Hark",
    "DESCRIPTION": "Transcripts of a self-hosted real-time speech recognition server.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Admin ------------------------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Hark",
    "SITE_HEADER": "Hark",
    "SITE_SUBHEADER": _("Speech recognition server"),
    "SITE_SYMBOL": "graphic_eq",
    "SITE_URL": reverse_lazy("live"),
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "transcription.admin.navigation.favicon"}],
    "STYLES": ["transcription.admin.navigation.stylesheet"],
    "DASHBOARD_CALLBACK": "transcription.admin.dashboard.overview",
    "SIDEBAR": {"show_search": True, "show_all_applications": True, "navigation": "transcription.admin.navigation.groups"},
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 196)",
            "100": "oklch(95.3% .03 196)",
            "200": "oklch(90.5% .05 197)",
            "300": "oklch(83.5% .075 198)",
            "400": "oklch(75% .09 200)",
            "500": "oklch(60% .085 203)",
            "600": "oklch(47.5% .075 205)",
            "700": "oklch(41.5% .066 207)",
            "800": "oklch(36% .056 208)",
            "900": "oklch(31.5% .047 210)",
            "950": "oklch(23.5% .036 212)",
        }
    },
}

# --- Hark -------------------------------------------------------------------------------------------------------------

HARK_ANONYMOUS = env.read_choice("HARK_ANONYMOUS", "off", ["off", "loopback"])
HARK_INFERENCE_ADDRESS = env.read_str("HARK_INFERENCE_ADDRESS", f"unix:{VAR_DIR / 'inference.sock'}")
HARK_MODELS = env.read_list("HARK_MODELS", ["whisper-tiny.en", "whisper-base"])
HARK_CANARY_DIR = Path(env.read_str("HARK_CANARY_DIR", str(BASE_DIR / "tests" / "data" / "speech")))
HARK_CANARY_MAX_WER = env.read_int("HARK_CANARY_MAX_WER", 30, minimum=0, maximum=100)
HARK_CANARY_MAX_RTF = env.read_int("HARK_CANARY_MAX_RTF", 100, minimum=1, maximum=10_000)
HARK_CANARY_URL = env.read_str("HARK_CANARY_URL", "ws://127.0.0.1:8000/stream")
HARK_RETENTION_DAYS = env.read_int("HARK_RETENTION_DAYS", 0, minimum=0, maximum=36_500)
HARK_AUDIO_TTL_DAYS = env.read_int("HARK_AUDIO_TTL_DAYS", 0, minimum=0, maximum=36_500)
HARK_AUDIO_DIR = Path(env.read_str("HARK_AUDIO_DIR", str(VAR_DIR / "audio")))
HARK_AUDIO_MAX_MB = env.read_int("HARK_AUDIO_MAX_MB", 10_000, minimum=1, maximum=100_000_000)
HARK_MODELS_DIR = Path(env.read_str("HARK_MODELS_DIR", str(VAR_DIR / "models")))
HARK_LM_DIR = Path(env.read_str("HARK_LM_DIR", str(VAR_DIR / "language-models")))
HARK_HUB_URL = env.read_str("HARK_HUB_URL", "https://huggingface.co")
HARK_MAX_VARIANT_LOSS = env.read_int("HARK_MAX_VARIANT_LOSS", 2, minimum=0, maximum=100)
HARK_DEFAULT_LANGUAGE = env.read_str("HARK_DEFAULT_LANGUAGE", "en")
HARK_HTTP_THREADS = env.read_int("HARK_HTTP_THREADS", 8, minimum=1, maximum=64)
HARK_MAX_UNSTORED = env.read_int("HARK_MAX_UNSTORED", 20_000, minimum=10, maximum=10_000_000)
HARK_IDLE_TIMEOUT_S = env.read_int("HARK_IDLE_TIMEOUT_S", 7200, minimum=5, maximum=86_400)
HARK_RESUME_S = env.read_int("HARK_RESUME_S", 120, minimum=0, maximum=240)
HARK_TRUSTED_PROXIES = env.read_networks("HARK_TRUSTED_PROXIES", [])
HARK_MAX_SOCKETS_PER_USER = env.read_int("HARK_MAX_SOCKETS_PER_USER", 50, minimum=0, maximum=1_000_000)
HARK_MAX_SOCKETS_PER_ADDRESS = env.read_int("HARK_MAX_SOCKETS_PER_ADDRESS", 100, minimum=0, maximum=1_000_000)
HARK_MAX_HANDSHAKES_PER_MIN = env.read_int("HARK_MAX_HANDSHAKES_PER_MIN", 120, minimum=0, maximum=1_000_000)
HARK_MAX_BYTES_PER_S = env.read_int("HARK_MAX_BYTES_PER_S", 2_000_000, minimum=0, maximum=1_000_000_000)
HARK_MAX_SESSION_S = env.read_int("HARK_MAX_SESSION_S", 86_400, minimum=0, maximum=604_800)

# --- Metrics ----------------------------------------------------------------------------------------------------------

HARK_NODE = env.read_str("HARK_NODE", socket.gethostname())
HARK_METRICS_ALLOWED = env.read_networks("HARK_METRICS_ALLOWED", [])
HARK_METRICS_TOKEN = env.read_str("HARK_METRICS_TOKEN", "")
HARK_METRICS_HOST = env.read_str("HARK_METRICS_HOST", "127.0.0.1")
HARK_METRICS_PORT = env.read_int("HARK_METRICS_PORT", 0, minimum=0, maximum=65_535)
HARK_METRICS_KEEP_10S_HOURS = env.read_int("HARK_METRICS_KEEP_10S_HOURS", 6, minimum=1, maximum=168)
HARK_METRICS_KEEP_1MIN_DAYS = env.read_int("HARK_METRICS_KEEP_1MIN_DAYS", 14, minimum=1, maximum=3660)
HARK_METRICS_KEEP_10MIN_DAYS = env.read_int("HARK_METRICS_KEEP_10MIN_DAYS", 60, minimum=1, maximum=3660)
HARK_METRICS_KEEP_1H_DAYS = env.read_int("HARK_METRICS_KEEP_1H_DAYS", 400, minimum=1, maximum=36_600)

# --- Notices ----------------------------------------------------------------------------------------------------------


def site_url(text: str) -> str:
    """Scheme and host of the site, without a slash at the end; empty: unknown.

    Raises:
        ImproperlyConfigured: it is something else.
    """
    origin = text.rstrip("/")
    if origin and not re.fullmatch(r"https?://[\w.:\[\]-]+", origin, flags=re.ASCII):
        raise ImproperlyConfigured(f"HARK_SITE_URL is {text!r}; expected one such as https://hark.example.org, without a path.")
    return origin


HARK_SITE_URL = site_url(env.read_str("HARK_SITE_URL", ""))
EMAIL_HOST = env.read_str("EMAIL_HOST", "")
EMAIL_PORT = env.read_int("EMAIL_PORT", 587, minimum=1, maximum=65_535)
EMAIL_SECURITY = env.read_choice("EMAIL_SECURITY", "starttls", ["starttls", "tls", "off"])
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL_SECURITY == "starttls", EMAIL_SECURITY == "tls"
EMAIL_HOST_USER = env.read_str("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.read_str("EMAIL_HOST_PASSWORD", "")
EMAIL_TIMEOUT = env.read_int("EMAIL_TIMEOUT", 10, minimum=1, maximum=30)
DEFAULT_FROM_EMAIL = env.read_str("EMAIL_FROM", "Hark <hark@localhost>")

# --- Logs and traces --------------------------------------------------------------------------------------------------


def is_worth_logging(record: logging.LogRecord) -> bool:
    """Not "Service Unavailable: /readyz", every few seconds while models load: such an answer is no fault of ours."""
    request = getattr(record, "request", None)
    return not str(getattr(request, "path", "")).endswith("/readyz")


LOG_LEVEL = env.read_choice("HARK_LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR"])
LOG_FORMAT = env.read_choice("HARK_LOG_FORMAT", "text", LOG_FORMATS)
HARK_OTEL = env.read_bool("HARK_OTEL", default=False)
HARK_OTEL_EXPORTER = (
    trace_exporter(
        env.read_choice("OTEL_TRACES_EXPORTER", "otlp", EXPORTERS),
        env.read_choice("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", list(PROTOCOLS)),
    )
    if HARK_OTEL
    else None
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "asr_project.discretion.DiscreetFormatter"},
        "json": {"()": "asr_project.discretion.DiscreetJsonFormatter", "node": HARK_NODE, "has_traces": HARK_OTEL},
    },
    "filters": {"no_probes": {"()": "django.utils.log.CallbackFilter", "callback": is_worth_logging}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["no_probes"]}},
    # All of them, Django's and uvicorn's too, write through the one handler above: Django and uvicorn have given some of theirs
    # handlers of their own before, and told them not to propagate.
    "loggers": {
        name: {"level": coarser(LOG_LEVEL, level), "handlers": [], "propagate": True}
        for name, level in {
            **DISCREET_LEVELS,
            "django": "INFO",
            "django.server": "INFO",
            # A scanner with a made-up Host header is answered 400; a traceback of it helps nobody.
            "django.security.DisallowedHost": "CRITICAL",
        }.items()
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
}
logging.captureWarnings(LOG_FORMAT == "json")
