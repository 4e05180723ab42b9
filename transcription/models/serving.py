"""Tables of the models at hand, of the routes that say which of them serves whom, and of every change of that.

Rows are read here; what a schedule means is in `transcription.schedules`, what serves now in
`transcription.serving.routes`, and how one model takes the place of another in `transcription.swaps`.
"""

from typing import Final

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

GENERAL: Final = "general"
"""The scenario of a stream that names none, and the one that is asked where another has no route for a language."""

MODEL_NAME = RegexValidator(r"\A[A-Za-z0-9._-]+\Z", _("Expected letters, digits, dots, dashes and underscores."))
SCENARIO_NAME = RegexValidator(r"\A[a-z0-9][a-z0-9_-]*\Z", _("Expected small letters, digits, dashes and underscores."))
LANGUAGE_TAG = RegexValidator(r"\A[a-z]{2,3}(-[a-z0-9]{2,8})*\Z", _("Expected a language tag such as en or zh-hant."))


class ASRModel(models.Model):
    """A model of the catalogue: what an inference process needs to load it, where it came from, and what was measured of it.

    `source`: empty for one that comes with the project, else an absolute path. Each precision of a model is a row of its own
    with the same source; `variant_of` then names the row that it was made from.
    """

    name = models.CharField(_("name"), max_length=100, unique=True, validators=[MODEL_NAME])
    engine = models.CharField(_("engine"), max_length=40, default="whisper")
    source = models.CharField(_("source"), max_length=1000, blank=True)
    languages = ArrayField(models.CharField(max_length=16), verbose_name=_("languages"), default=list, blank=True)
    multilingual = models.BooleanField(_("detects languages"), default=False)
    precision = models.CharField(_("precision"), max_length=16, blank=True)
    licence = models.CharField(_("licence"), max_length=200, blank=True)
    origin = models.TextField(_("origin"), blank=True)
    checksum = models.CharField(_("SHA-256"), max_length=64, blank=True)
    size_bytes = models.PositiveBigIntegerField(_("size (bytes)"), null=True, blank=True)
    memory_bytes = models.PositiveBigIntegerField(_("memory (bytes)"), null=True, blank=True)
    load_ms = models.PositiveIntegerField(_("load time (ms)"), null=True, blank=True)
    rtf = models.FloatField(_("time per second of audio (s)"), null=True, blank=True)
    wer = models.FloatField(_("word error rate"), null=True, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_builtin = models.BooleanField(_("comes with the project"), default=False)
    variant_of = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="variants", verbose_name=_("variant of")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def can_serve(self, language: str) -> bool:
        """Whether it can be the model of a route for `language`; empty: of a route for any."""
        return not self.languages or language in self.languages or not language


class ModelRoute(models.Model):
    """Which model serves the streams of a scenario in a language; an empty language stands for every other one.

    `partial_model` is a fast one that writes the partial texts, where finals are to come from a slower one; null: `model` writes
    both. `language_model`: by its name, see docs/language-models.md; empty: the model's own, or none.
    `fallback` is a lighter model for what is said while texts are more than `fallback_above_ms` late, until they are less than
    `fallback_below_ms` late again. `fallback_since` says since when it serves; null: it does not. `previous_model` is what a
    roll-back returns to, `usual_model` what serves when no window and no override holds; null: whatever serves now.
    """

    scenario = models.CharField(_("scenario"), max_length=64, default=GENERAL, validators=[SCENARIO_NAME])
    language = models.CharField(_("language"), max_length=16, blank=True, validators=[LANGUAGE_TAG])
    model = models.ForeignKey(ASRModel, models.PROTECT, related_name="routes", verbose_name=_("model"))
    partial_model = models.ForeignKey(
        ASRModel, models.PROTECT, null=True, blank=True, related_name="partial_routes", verbose_name=_("model of partial texts")
    )
    language_model = models.CharField(_("language model"), max_length=64, blank=True, validators=[MODEL_NAME])
    previous_model = models.ForeignKey(
        ASRModel, models.SET_NULL, null=True, blank=True, editable=False, related_name="+", verbose_name=_("model before")
    )
    usual_model = models.ForeignKey(
        ASRModel,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="usual_routes",
        verbose_name=_("model outside of schedules"),
    )
    fallback = models.ForeignKey(
        ASRModel, models.PROTECT, null=True, blank=True, related_name="fallback_routes", verbose_name=_("lighter model")
    )
    fallback_above_ms = models.PositiveIntegerField(_("lighter above (ms late)"), default=600)
    fallback_below_ms = models.PositiveIntegerField(_("back below (ms late)"), default=200)
    fallback_since = models.DateTimeField(_("on the lighter model since"), null=True, blank=True, editable=False)
    is_enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("route")
        verbose_name_plural = _("routes")
        ordering = ["scenario", "language"]
        constraints = [
            models.UniqueConstraint(fields=["scenario", "language"], name="one_route_per_scenario_and_language"),
            models.CheckConstraint(
                condition=models.Q(fallback_below_ms__lt=models.F("fallback_above_ms")),
                name="route_comes_back_below_where_it_falls",
                violation_error_message=_("The lighter model must be left below the lateness at which it is taken."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scenario}/{self.language or '*'}"


class ModelSchedule(models.Model):
    """A window of the week in which another model serves a route. `days`: those on which it begins, 0 is Monday.

    `ends` at or before `starts` is on the next day. Of two windows that hold at once the one with the higher priority counts.
    """

    route = models.ForeignKey(ModelRoute, models.CASCADE, related_name="schedules", verbose_name=_("route"))
    model = models.ForeignKey(ASRModel, models.PROTECT, related_name="schedules", verbose_name=_("model"))
    days = ArrayField(models.PositiveSmallIntegerField(validators=[MaxValueValidator(6)]), verbose_name=_("days"))
    starts = models.TimeField(_("from"))
    ends = models.TimeField(_("to"))
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    priority = models.SmallIntegerField(_("priority"), default=0)
    is_enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ["route", "-priority", "starts", "id"]

    def __str__(self) -> str:
        return f"{self.starts:%H:%M}–{self.ends:%H:%M} {self.time_zone}"


class RouteOverride(models.Model):
    """Somebody's wish that stands above every schedule of a route, from `from_at` on. `until_at` null: until taken back."""

    route = models.ForeignKey(ModelRoute, models.CASCADE, related_name="overrides", verbose_name=_("route"))
    model = models.ForeignKey(ASRModel, models.PROTECT, related_name="overrides", verbose_name=_("model"))
    from_at = models.DateTimeField(_("from"), default=timezone.now)
    until_at = models.DateTimeField(_("until"), null=True, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("by")
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("override")
        verbose_name_plural = _("overrides")
        ordering = ["-from_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(until_at=None) | models.Q(until_at__gt=models.F("from_at")),
                name="override_ends_after_it_begins",
                violation_error_message=_("The override must end after it begins."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.route}: {self.model}"


class ModelSwapQuerySet(models.QuerySet["ModelSwap"]):
    def open(self) -> "ModelSwapQuerySet":
        """Those that are not over."""
        return self.exclude(state__in=ModelSwap.OVER)


class ModelSwap(models.Model):
    """One change of the model of a route, from the wish to its outcome. The names stay when a model or a route is removed.

    `progress` is a list of {at, worker, stage, detail}.
    """

    class Reason(models.TextChoices):
        MANUAL = "manual", _("by hand")
        SCHEDULE = "schedule", _("schedule")
        ROLLBACK = "rollback", _("roll-back")
        FALLBACK = "fallback", _("too much to do")
        RESTORE = "restore", _("restored")

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        CHECKING = "checking", _("checking")
        LOADING = "loading", _("loading")
        CANARY = "canary", _("being tried")
        SWITCHING = "switching", _("switching")
        DRAINING = "draining", _("draining")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        ROLLED_BACK = "rolled_back", _("rolled back")

    route = models.ForeignKey(ModelRoute, models.SET_NULL, null=True, blank=True, related_name="swaps", verbose_name=_("route"))
    route_name = models.CharField(_("name of the route"), max_length=100, blank=True)
    from_model = models.ForeignKey(
        ASRModel, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("from model")
    )
    from_name = models.CharField(_("from"), max_length=100, blank=True)
    to_model = models.ForeignKey(ASRModel, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("to model"))
    to_name = models.CharField(_("to"), max_length=100)
    reason = models.CharField(_("why"), max_length=12, choices=Reason, default=Reason.MANUAL)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("by")
    )
    note = models.CharField(_("note"), max_length=500, blank=True)
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.WAITING)
    progress = models.JSONField(_("progress"), default=list, blank=True)
    error = models.TextField(_("error"), blank=True)
    started_at = models.DateTimeField(_("started at"), default=timezone.now, db_index=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    duration_ms = models.PositiveBigIntegerField(_("duration (ms)"), null=True, blank=True)

    objects = ModelSwapQuerySet.as_manager()

    OVER = frozenset({State.DONE, State.FAILED, State.ROLLED_BACK})

    class Meta:
        verbose_name = _("swap")
        verbose_name_plural = _("swaps")
        ordering = ["-started_at", "-id"]

    def __str__(self) -> str:
        return f"{self.route_name}: {self.from_name} → {self.to_name}"

    @property
    def is_over(self) -> bool:
        return self.state in self.OVER
