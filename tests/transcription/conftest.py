"""Who signs in to the admin site, and in which language. pytest reads this before Django is set up, so the table of users is
asked for when it is used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import translation

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@pytest.fixture(autouse=True)
def usual_language() -> Iterator[None]:
    """A request in another language leaves its thread in it."""
    yield
    translation.deactivate()


@pytest.fixture
def root(db: None) -> "User":
    user: User = get_user_model().objects.create_superuser("root")
    return user


@pytest.fixture
def site(root: "User") -> Client:
    """The site as a superuser sees it."""
    client = Client()
    client.force_login(root)
    return client
