import threading

import pytest
from django.db import connections

from apps.accounts.models import Organization
from apps.errors import Refused
from apps.projects import quotas

GB = 2**30


def test_reserve_and_release_count(organization):
    quotas.reserve(organization, 600)
    quotas.reserve(organization, 400)
    quotas.release(organization, 250)
    assert organization.used_bytes == 750
    assert Organization.objects.get().used_bytes == 750


def test_the_last_byte_can_be_reserved(organization):
    quotas.reserve(organization, organization.quota_bytes)
    with pytest.raises(Refused):
        quotas.reserve(organization, 1)


def test_too_much_is_refused_in_words_and_changes_nothing(organization):
    quotas.reserve(organization, int(0.7 * GB))
    with pytest.raises(Refused) as refused:
        quotas.reserve(organization, 10 * GB)
    assert refused.value.code == "quota_exceeded"
    assert refused.value.status == 413
    assert "needs 10.0 GB; 307.2 MB of the 1.0 GB quota are free" in refused.value.message
    assert Organization.objects.get().used_bytes == int(0.7 * GB)


def test_what_looks_equal_when_rounded_is_said_to_the_byte(organization):
    with pytest.raises(Refused, match=r"needs 1,073,741,825 B; 1,073,741,824 B of the 1,073,741,824 B quota are free"):
        quotas.reserve(organization, GB + 1)


def test_a_stale_organization_object_does_not_matter(organization):
    stale = Organization.objects.get()
    quotas.reserve(organization, organization.quota_bytes)
    with pytest.raises(Refused):
        quotas.reserve(stale, 1)


def test_releasing_more_than_was_reserved_ends_at_zero_and_is_logged(organization, caplog):
    quotas.reserve(organization, 10)
    quotas.release(organization, 11)
    assert Organization.objects.get().used_bytes == 0
    assert "never reserved" in caplog.text


@pytest.mark.parametrize("call", [quotas.reserve, quotas.release])
def test_negative_amounts_are_a_mistake_of_the_caller(organization, call):
    with pytest.raises(ValueError, match="Received: -1"):
        call(organization, -1)


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_reservations_at_the_same_moment_never_overrun_the_quota():
    Organization.objects.create(name="Acme", slug="acme", quota_bytes=10)
    granted = []

    def take():
        try:
            quotas.reserve(Organization.objects.get(), 3)
            granted.append(3)
        except Refused:
            pass
        finally:
            connections.close_all()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 3
    assert Organization.objects.get().used_bytes == 9


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (300 * 2**20, "300.0 MB"),
        (1000 * 2**20, "1.0 GB"),
        (2**50, "1024.0 TB"),
    ],
)
def test_sizes_in_words(size, words):
    assert quotas.in_words(size) == words
