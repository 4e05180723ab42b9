"""The list of models: who needs each of them."""

import re
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_model, make_route
from transcription.models import ASRModel

pytestmark = pytest.mark.django_db


def test_a_model_says_which_routes_need_it_and_whether_it_stays_in_memory_all_the_same(site: Client, settings: Any) -> None:
    settings.HARK_MODELS = ["first=/srv/models/first.pt", "second"]
    for name in ("first", "second", "third"):
        make_model(name)
    make_route("second")

    page = site.get("/admin/transcription/asrmodel/?q=").content.decode()

    cells = re.findall(r'data-label="needed by">\s*(.*?)\s*</td>', page, re.IGNORECASE | re.DOTALL)
    names = list(ASRModel.objects.order_by("name").values_list("name", flat=True))
    needed_by = dict(zip(names, cells, strict=True))
    assert [needed_by[name] for name in ("first", "second", "third")] == ["HARK_MODELS", "general/en, HARK_MODELS", "–"]
