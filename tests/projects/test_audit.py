from __future__ import annotations

import pytest

from apps.accounts.models import Role
from apps.projects.access import Access
from apps.projects.audit import record, record_for
from apps.projects.models import ApiKey, AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def log(owner, developer, organization, project, server_key) -> None:
    key = ApiKey.across_tenants.get()
    record(Access(owner, organization, Role.OWNER, project), "project.renamed", project, before="Old")
    record(Access(developer, organization, Role.DEVELOPER, project), "dataset.created", project)
    record(Access(key, organization, None, project), "model.registered", project, scopes=["read", "models"])
    record_for(organization, "job.failed", project)


def test_page_shows_who_did_what_newest_first(viewer, page_of, log):
    content = page_of(viewer).get("/o/acme/audit/").content.decode()
    table = content[content.index("<tbody>") :]
    places = [
        table.index(action) for action in ("job.failed", "model.registered", "dataset.created", "project.renamed")
    ]
    assert places == sorted(places)
    for text in ("Bantam itself", "server key (sk_ssssssss…)", "developer@example.com", "before: Old", "in Reader"):
        assert text in table
    assert "scopes: read, models" in table


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("action=dataset.created", ["dataset.created"]),
        ("actor=platform", ["job.failed"]),
        ("actor=user:{owner}", ["project.renamed"]),
        ("actor=key:{key}", ["model.registered"]),
        ("actor=user:{owner}&action=dataset.created", []),
        ("actor=user:nonsense", ["job.failed", "model.registered", "dataset.created", "project.renamed"]),
    ],
)
def test_page_is_narrowed(viewer, owner, page_of, log, query, shown):
    query = query.format(owner=owner.pk, key=ApiKey.across_tenants.get().pk)
    response = page_of(viewer).get(f"/o/acme/audit/?{query}")
    assert [entry.action for entry in response.context["page"].rows] == shown
    assert ("Nothing matches" in response.content.decode()) == (not shown)


def test_pages_continue_by_key_and_keep_the_filter(viewer, page_of, organization, owner):
    for number in range(60):
        record_for(organization, "thing.done" if number % 2 else "thing.undone", organization, user=owner)
    page = page_of(viewer)
    first = page.get("/o/acme/audit/?action=thing.done")
    assert len(first.context["page"].rows) == 30
    everything = page.get("/o/acme/audit/")
    assert len(everything.context["page"].rows) == 50
    before = everything.context["page"].next_before
    assert f"?before={before}" in everything.content.decode()
    rest = page.get(f"/o/acme/audit/?before={before}")
    assert len(rest.context["page"].rows) == 10
    narrowed = page.get(f"/o/acme/audit/?action=thing.done&before={before}")
    assert {entry.action for entry in narrowed.context["page"].rows} == {"thing.done"}
    assert "?action=thing.done&amp;" in narrowed.content.decode()


def test_another_organizations_log_is_not_shown(viewer, stranger, page_of, log):
    theirs = stranger.memberships.get().organization
    record_for(theirs, "secret.thing", theirs, user=stranger)
    content = page_of(viewer).get("/o/acme/audit/").content.decode()
    assert "secret.thing" not in content
    assert "stranger@example.com" not in content


def test_page_makes_the_same_queries_for_any_length(viewer, page_of, organization, owner, django_assert_num_queries):
    page = page_of(viewer)
    record_for(organization, "thing.done", organization, user=owner)
    with django_assert_num_queries(6):
        page.get("/o/acme/audit/")
    for _ in range(20):
        record_for(organization, "thing.done", organization, user=owner)
    with django_assert_num_queries(6):
        page.get("/o/acme/audit/")


def test_details_cut_hashes_and_keep_the_rest():
    entry = AuditEntry(
        details={"sha256": "0123456789ab" + "c" * 52, "files": ["a.tflite", "d" * 64], "size": 5, "x": ""}
    )
    assert entry.details_in_words == "sha256: 0123456789ab…; files: a.tflite, dddddddddddd…; size: 5"


def test_api_shows_and_narrows(viewer, api_of, log):
    api = api_of(viewer)
    results = api.get("/api/v1/organizations/acme/audit").json()["results"]
    assert [row["action"] for row in results] == [
        "job.failed",
        "model.registered",
        "dataset.created",
        "project.renamed",
    ]
    assert results[0]["user"] is None
    assert results[0]["api_key"] is None
    assert results[1]["api_key"] == str(ApiKey.across_tenants.get().pk)
    assert results[3]["user"] == "owner@example.com"
    [row] = api.get("/api/v1/organizations/acme/audit?action=dataset.created").json()["results"]
    assert row["user"] == "developer@example.com"
    [row] = api.get("/api/v1/organizations/acme/audit?user=Owner@example.com").json()["results"]
    assert row["details"] == {"before": "Old"}


def test_entry_outlives_the_project_and_the_person(organization, owner, project):
    record(Access(owner, organization, Role.OWNER, project), "project.renamed", project)
    owner.memberships.all().delete()
    owner.delete()
    project.delete()
    entry = AuditEntry.across_tenants.get()
    assert (entry.user, entry.project, entry.target) == (None, None, "Reader")
