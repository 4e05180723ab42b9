"""Root addresses."""

from django.contrib import admin
from django.urls import include, path

from transcription import exposition, health

urlpatterns = [
    path("admin/console/", include("transcription.admin.console")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("transcription.api.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", exposition.metrics, name="metrics"),
    path("", include("transcription.urls")),
]
