"""Tables of what the processes have measured of themselves: one series for each metric, process and set of labels, and its
samples, first of ten seconds each, then rolled up to minutes, ten minutes and hours.

Written and read by `transcription.metrics`; which metrics there are is listed in `transcription.metrics.names`.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class MetricSeries(models.Model):
    """`node`: the process that measures, such as `web@host` or `inference-0`; the letters at its beginning say what it is.

    `bounds`: the upper bounds of a histogram's buckets, without the infinite one. Samples of other bounds are another series.
    """

    name = models.CharField(max_length=100)
    node = models.CharField(max_length=200)
    labels = models.JSONField(default=dict)
    bounds = ArrayField(models.FloatField(), default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "node", "labels", "bounds"], name="one_series_per_metric_node_and_labels"),
        ]

    def __str__(self) -> str:
        labels = ", ".join(f"{name}={value}" for name, value in sorted(self.labels.items()))
        return f"{self.name}{{{labels}}} {self.node}"


class MetricSample(models.Model):
    """What happened to a series from `at` on, for `resolution_s` seconds.

    Counter: `total` is its increase. Histogram: `count` values that sum up to `total`, in `buckets`, each with its own count, the
    last one for what is above all bounds. Gauge: it was looked at `count` times, `total` is the sum of what was seen, `low` and
    `high` the least and the most.
    """

    class Resolution(models.IntegerChoices):
        """Seconds."""

        TEN_SECONDS = 10
        MINUTE = 60
        TEN_MINUTES = 600
        HOUR = 3600

    pk = models.CompositePrimaryKey("series", "resolution_s", "at")
    series = models.ForeignKey(MetricSeries, models.CASCADE, related_name="samples", db_index=False)
    resolution_s = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    total = models.FloatField(default=0.0)
    count = models.BigIntegerField(default=0)
    low = models.FloatField(null=True, blank=True)
    high = models.FloatField(null=True, blank=True)
    buckets = ArrayField(models.BigIntegerField(), null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.series_id} {self.at:%Y-%m-%d %H:%M:%S} +{self.resolution_s} s"
