from __future__ import annotations

import pytest
from django.test import Client, RequestFactory

from apps.console.views import server_error

pytestmark = pytest.mark.django_db


def test_unknown_page_says_so_in_html():
    response = Client().get("/no/such/page")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_unknown_api_address_answers_in_the_error_shape():
    response = Client().get("/api/v1/nothing")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


def test_fault_answers_in_the_error_shape_for_programs_and_as_a_page_for_people():
    assert b'"internal_error"' in server_error(RequestFactory().get("/api/v1/x")).content
    assert b"Something broke on our side" in server_error(RequestFactory().get("/x")).content


def test_health_needs_no_database(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Client().get("/healthz").json() == {"status": "ok"}
