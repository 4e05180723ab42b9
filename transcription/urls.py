"""Addresses of the pages. The REST addresses are in `transcription.api.urls`, the socket in `transcription.routing`."""

from django.urls import path
from django.views.i18n import set_language

from transcription import views

urlpatterns = [
    path("", views.live, name="live"),
    path("history/", views.history, name="history"),
    path("history/<uuid:session_id>/", views.session_detail, name="session-detail-page"),
    path("history/<uuid:session_id>/delete/", views.session_delete, name="session-delete-page"),
    path("your-data/", views.own_data, name="own-data-page"),
    path("your-data/erase/", views.own_data_erase, name="own-data-erase"),
    path("language/", set_language, name="set_language"),
]
