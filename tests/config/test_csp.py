from __future__ import annotations

import pytest
from django.test import Client


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "inline"), [("/accounts/login/", False), ("/admin/login/", True), ("/api/docs/", True)]
)
def test_every_page_says_whose_scripts_run(path, inline):
    policy = Client().get(path).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert ("'unsafe-inline'" in policy) is inline
