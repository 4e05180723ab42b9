"""Tables of alerts: the rules, where each stands, what happened, and whom it was told to.

Rows are read here; what a rule does with a value is in `transcription.alerts.states`, every write in `transcription.alerts`.
"""

from secrets import token_urlsafe
from typing import Final
from uuid import uuid4

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

MAX_WINDOW_S: Final = 86_400
FLAPPING_FROM: Final = 3
"""An event that fires so often flaps."""
A_DAY_AT_MOST: Final = MaxValueValidator(MAX_WINDOW_S)


def new_secret() -> str:
    return token_urlsafe(32)


class Severity(models.TextChoices):
    INFO = "info", _("notice")
    WARNING = "warning", _("warning")
    CRITICAL = "critical", _("critical")


class AlertChannel(models.Model):
    """Where notices go. `target`: addresses with commas between, or the URL of a webhook; its requests are signed with `secret`.

    `is_default`: it also gets what names no channel of its own.
    """

    class Kind(models.TextChoices):
        EMAIL = "email", _("e-mail")
        WEBHOOK = "webhook", _("webhook")

    name = models.CharField(_("name"), max_length=100, unique=True)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.EMAIL)
    target = models.CharField(_("addresses or URL"), max_length=1000)
    secret = models.CharField(_("secret"), max_length=200, default=new_secret)
    language = models.CharField(_("language"), max_length=16, choices=settings.LANGUAGES, default=settings.LANGUAGE_CODE)
    is_default = models.BooleanField(_("for all rules without channels"), default=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def addresses(self) -> list[str]:
        return [address.strip() for address in self.target.split(",") if address.strip()]


class AlertRule(models.Model):
    """A value of `metric` that people want to be told of. `labels`: only series that have these. `per`: divide by this counter.

    `threshold` is in the unit of the metric, or a quotient. `min_count`: of how many sessions or texts it tells
    at least; of fewer it is as if nothing had been measured. The names of rules that come with the project are translated.
    """

    class Aggregation(models.TextChoices):
        P50 = "p50", _("median")
        P95 = "p95", _("95th percentile")
        P99 = "p99", _("99th percentile")
        MEAN = "mean", _("mean")
        MIN = "min", _("least")
        MAX = "max", _("most")
        LAST = "last", _("newest")
        SUM = "sum", _("sum")
        RATE = "rate", _("rate a second")

    class Comparison(models.TextChoices):
        ABOVE = ">", _("> above")
        AT_LEAST = ">=", _("≥ at least")
        BELOW = "<", _("< below")
        AT_MOST = "<=", _("≤ at most")

    class WithoutData(models.TextChoices):
        IGNORE = "ignore", _("is no alert")
        ALERT = "alert", _("is an alert")

    name = models.CharField(_("name"), max_length=100, unique=True)
    metric = models.CharField(_("metric"), max_length=100)
    per = models.CharField(_("divided by"), max_length=100, blank=True)
    min_count = models.PositiveIntegerField(_("of at least"), default=0)
    labels = models.JSONField(_("labels"), default=dict, blank=True)
    aggregation = models.CharField(_("aggregation"), max_length=8, choices=Aggregation, default=Aggregation.MEAN)
    comparison = models.CharField(_("comparison"), max_length=2, choices=Comparison, default=Comparison.ABOVE)
    threshold = models.FloatField(_("threshold"))
    window_s = models.PositiveIntegerField(_("window (s)"), default=300, validators=[MinValueValidator(30), A_DAY_AT_MOST])
    for_s = models.PositiveIntegerField(_("for (s)"), default=0, validators=[A_DAY_AT_MOST])
    cool_down_s = models.PositiveIntegerField(_("cool-down (s)"), default=900, validators=[A_DAY_AT_MOST])
    severity = models.CharField(_("severity"), max_length=8, choices=Severity, default=Severity.WARNING)
    no_data = models.CharField(_("missing data"), max_length=6, choices=WithoutData, default=WithoutData.IGNORE)
    channels = models.ManyToManyField(AlertChannel, verbose_name=_("channels"), blank=True, related_name="rules")
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_shipped = models.BooleanField(_("comes with the project"), default=False, editable=False)

    class Meta:
        verbose_name = _("alert rule")
        verbose_name_plural = _("alert rules")
        ordering = ["name"]

    def __str__(self) -> str:
        return gettext(self.name) if self.is_shipped else self.name


class AlertStanding(models.Model):
    """Where a rule stands, as `transcription.alerts.states.Standing`; apart, so that saving a rule never turns it back."""

    class State(models.TextChoices):
        OK = "ok", _("fine")
        PENDING = "pending", _("pending")
        FIRING = "firing", _("firing")
        NO_DATA = "no_data", _("no data")

    rule = models.OneToOneField(
        AlertRule, models.CASCADE, primary_key=True, related_name="standing", verbose_name=_("alert rule")
    )
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.OK)
    value = models.FloatField(_("value"), null=True)
    since = models.DateTimeField(_("since"), null=True)
    looked_at = models.DateTimeField(_("looked at"), null=True)
    bad_since = models.DateTimeField(_("bad since"), null=True)
    fine_since = models.DateTimeField(_("fine since"), null=True)
    is_open = models.BooleanField(_("firing"), default=False)
    closed_at = models.DateTimeField(_("over since"), null=True)
    muted_until = models.DateTimeField(_("quiet until"), null=True)
    is_told = models.BooleanField(_("told"), default=False)
    told_at = models.DateTimeField(_("told at"), null=True)

    class Meta:
        verbose_name = _("standing of a rule")
        verbose_name_plural = _("standings of rules")

    def __str__(self) -> str:
        return f"{self.rule}: {self.state}"


class AlertEventQuerySet(models.QuerySet["AlertEvent"]):
    def unresolved(self) -> "AlertEventQuerySet":
        return self.exclude(state=AlertEvent.State.RESOLVED)


class AlertEvent(models.Model):
    """Something that people must know of, from when it began until it was over.

    Of a rule, or of something that is no value, such as a failed swap: that has a `key`, which says what it is about. `facts`
    says what the rule was when it fired: the rule may be changed afterwards. `detail`: what was worst, such as which process.
    """

    class State(models.TextChoices):
        OPEN = "open", _("open")
        ACKNOWLEDGED = "acknowledged", _("acknowledged")
        RESOLVED = "resolved", _("resolved")

    class Reason(models.TextChoices):
        VALUE = "value", _("value")
        NO_DATA = "no_data", _("no data")
        INCIDENT = "incident", _("incident")

    rule = models.ForeignKey(
        AlertRule, models.SET_NULL, null=True, blank=True, related_name="events", verbose_name=_("alert rule")
    )
    key = models.CharField(_("key"), max_length=200, blank=True)
    title = models.CharField(_("title"), max_length=200)
    severity = models.CharField(_("severity"), max_length=8, choices=Severity)
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.OPEN)
    reason = models.CharField(_("why"), max_length=8, choices=Reason, default=Reason.VALUE)
    facts = models.JSONField(_("facts"), default=dict, blank=True)
    value = models.FloatField(_("value"), null=True, blank=True)
    peak = models.FloatField(_("worst value"), null=True, blank=True)
    detail = models.TextField(_("detail"), blank=True)
    num_fired = models.PositiveIntegerField(_("times fired"), default=1)
    opened_at = models.DateTimeField(_("began"), default=timezone.now, db_index=True)
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("acknowledged by")
    )
    resolved_at = models.DateTimeField(_("over"), null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("resolved by")
    )

    objects = AlertEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["-opened_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["rule"], condition=~models.Q(state="resolved"), name="one_unresolved_event_per_rule"),
            models.UniqueConstraint(
                fields=["key"], condition=~models.Q(state="resolved") & ~models.Q(key=""), name="one_unresolved_event_per_key"
            ),
        ]

    def __str__(self) -> str:
        """In the reader's language, where the project wrote the title; `facts` then may have names to be put into it."""
        title = gettext(self.title)
        names = self.facts.get("names")
        return title % names if names else title

    @property
    def is_flapping(self) -> bool:
        return self.num_fired >= FLAPPING_FROM


class AlertDelivery(models.Model):
    """One notice to one channel, tried until it has arrived or there is no sense in it any more.

    `payload` is made when it happens, so that each try says the same. A notice without an event is a trial of the channel.
    """

    class What(models.TextChoices):
        FIRING = "firing", _("firing")
        RESOLVED = "resolved", _("resolved")
        TEST = "test", _("trial")

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("failed")

    uid = models.UUIDField(_("number"), default=uuid4, unique=True, editable=False)
    event = models.ForeignKey(
        AlertEvent, models.CASCADE, null=True, blank=True, related_name="deliveries", verbose_name=_("alert")
    )
    channel = models.ForeignKey(AlertChannel, models.CASCADE, related_name="deliveries", verbose_name=_("channel"))
    what = models.CharField(_("what"), max_length=8, choices=What)
    payload = models.JSONField(_("content"), default=dict)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.WAITING)
    num_attempts = models.PositiveIntegerField(_("tries"), default=0)
    next_at = models.DateTimeField(_("next try"), null=True, blank=True, default=timezone.now)
    error = models.CharField(_("error"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("made at"), default=timezone.now)
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["next_at"], condition=models.Q(state="waiting"), name="waiting_deliveries")]

    def __str__(self) -> str:
        return f"{self.what} → {self.channel}"
