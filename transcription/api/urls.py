"""Addresses of the REST API, below /api/v1/."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny

from transcription.api import corrections, own_data, serving, views

app_name = "api"
urlpatterns = [
    path("sessions/", views.SessionList.as_view(), name="sessions"),
    path("sessions/<uuid:session_id>/", views.SessionDetail.as_view(), name="session"),
    path("sessions/<uuid:session_id>/transcript/", views.SessionTranscript.as_view(), name="transcript"),
    path("sessions/<uuid:session_id>/audio/", own_data.SessionAudioList.as_view(), name="session-audio"),
    path("sessions/<uuid:session_id>/audio/<int:number>/", own_data.SessionAudio.as_view(), name="audio"),
    path(
        "sessions/<uuid:session_id>/segments/<int:number>/correction/", corrections.SegmentCorrection.as_view(), name="correction"
    ),
    path("me/data/", own_data.OwnData.as_view(), name="own-data"),
    path("me/export/", own_data.OwnExport.as_view(), name="own-export"),
    path("stream-tickets/", views.StreamTicketList.as_view(), name="stream-tickets"),
    path("models/", serving.ModelList.as_view(), name="models"),
    path("routes/", serving.RouteList.as_view(), name="routes"),
    path("schema/", SpectacularAPIView.as_view(permission_classes=[AllowAny]), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema", permission_classes=[AllowAny]), name="docs"),
    # Only with a final slash: an address without one is first redirected to itself with it.
    re_path(r"^(?P<path>.*/)$", views.UnknownAddress.as_view()),
]
