"""`manage.py clean_storage`: what the nightly clean-up does, at once and to the end, or a list of what it would do."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.projects import cleaning, cleaning_record, quotas
from apps.projects.cleaning import Account, Orphan, Sum

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
# How often the operators' page hears of it.
NOTED_EVERY_S = 30.0


class Command(BaseCommand):
    help = "Delete stored files that nothing needs any more, and clear expired uploads."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="list what would be deleted; delete nothing")
        parser.add_argument(
            "--older-than",
            metavar="AGE",
            default=f"{settings.ORPHAN_AGE_S}s",
            help="files last written so long ago, such as 7d or 48h (default: ORPHAN_AGE_S); at least "
            f"{_in_words(timedelta(seconds=settings.ORPHAN_LEAST_S))}",
        )

    def handle(self, *args: Any, dry_run: bool, older_than: str, **options: Any) -> None:
        self._now = timezone.now()
        before = self._now - _age(older_than)
        self._would = "would be " if dry_run else ""
        removed: dict[str, Sum] = {}
        errors = foreign = looked_at = 0
        for account in self._dry(before) if dry_run else self._clean(before):
            for name, count in account.cleared.items():
                self.stdout.write(f"{name}: {count:,} {self._would}cleared")
            for kind, one in account.removed.items():
                sum_ = removed.setdefault(kind, Sum())
                sum_.files, sum_.bytes = sum_.files + one.files, sum_.bytes + one.bytes
            errors += len(account.errors)
            foreign += account.foreign
            looked_at += account.looked_at
            for error in account.errors:
                self.stderr.write(error)
        for kind, one in sorted(removed.items()):
            self.stdout.write(f"{kind}: {one.files:,}, {quotas.in_words(one.bytes)}")
        files, size = sum(one.files for one in removed.values()), sum(one.bytes for one in removed.values())
        age = _in_words(self._now - before)
        sums = f"{files:,} of {looked_at:,} files {self._would}deleted, {quotas.in_words(size)}"
        self.stdout.write(f"{sums}: nothing needs them, and they are older than {age}")
        if foreign:
            self.stdout.write(f"Old files that are kept, because their projects are not in this database: {foreign:,}")
        if errors:
            raise CommandError(f"Errors: {errors}. What could not be deleted is still there.")

    def _dry(self, before: datetime) -> list[Account]:
        cleared = cleaning.clear_chores(dry_run=True)
        account = cleaning.clean(before=before, dry_run=True, tell=self._tell)
        account.cleared = cleared
        return [account]

    def _clean(self, before: datetime) -> list[Account]:
        started_at = cleaning_record.begin()
        accounts = [Account(cleared=cleaning.clear_chores())]
        cleaning_record.note(started_at, accounts[0], goes_on=True)
        while not accounts[-1].is_done and not accounts[-1].gave_up:
            ends_at = time.monotonic() + NOTED_EVERY_S
            account = cleaning.clean(
                before=before,
                after=accounts[-1].position,
                should_stop=lambda: time.monotonic() >= ends_at,  # noqa: B023  (used within the turn)
                tell=self._tell,
            )
            cleaning_record.note(started_at, account, goes_on=not account.is_done and not account.gave_up)
            accounts.append(account)
        return accounts

    def _tell(self, orphan: Orphan) -> None:
        file = orphan.file
        age = _in_words(self._now - file.modified) if file.modified else "?"
        self.stdout.write(f"{file.size:>14,}  {age:>6}  {orphan.kind:<13}  {file.key}")


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,9})([dhms])", text.strip())
    if not found:
        raise CommandError(f"--older-than must be a number with d, h, m or s, such as 7d or 48h. Received: {text!r}")
    seconds = int(found[1]) * UNITS[found[2]]
    if seconds < settings.ORPHAN_LEAST_S:
        least = _in_words(timedelta(seconds=settings.ORPHAN_LEAST_S))
        raise CommandError(
            f"--older-than must be at least {least}: a file that is being uploaded, or that a running job has made, "
            f"may be younger and needed. Received: {text!r}"
        )
    return timedelta(seconds=seconds)


def _in_words(age: timedelta) -> str:
    hours = int(age.total_seconds()) // 3600
    return f"{hours // 24}d" if hours >= 48 else f"{hours}h"
