"""Finds and deletes stored files that no row needs any more, because something broke between a file and its row.

Each app says how the keys of its files look and which of a batch of keys its rows hold. What fits no layout, belongs to
a project that this database does not know, is younger than the safe age, or has no known age, is never touched.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TypeVar

from apps.projects.models import Project
from apps.projects.storage import FAILURES, PART, WRITING, Listed, storage

logger = logging.getLogger(__name__)

ROOT = "projects"
BATCH = 500
# So many are deleted before it is looked again whether a row has come for one of the next.
DELETED_AT_ONCE = 50
MOST_ERRORS = 20
BROKEN_COPIES = "broken copies"
ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

T = TypeVar("T")
InUse = Callable[[Sequence[str]], set[str]]


@dataclass(frozen=True)
class Holding:
    """One app's rows that hold files. `folder`: of a project's, where they lie. `fields`: the columns that name them,
    as `app.Model.field`."""

    kind: str
    folder: str
    layout: re.Pattern[str]
    in_use: InUse
    fields: Sequence[str]


@dataclass(frozen=True)
class Chore:
    """What else is cleared each time: `do` clears some and says how many, 0 at the end; `count` what there is."""

    name: str
    do: Callable[[], int]
    count: Callable[[], int]


@dataclass(frozen=True)
class Orphan:
    kind: str
    file: Listed


@dataclass
class Sum:
    files: int = 0
    bytes: int = 0


@dataclass
class Account:
    """What a clean-up did, or would do. `position`: the key from which the next goes on, empty: from the first;
    `is_done`: there is nothing after it.

    `gave_up`: the storage failed too often, or could not be listed. `foreign`: old files of projects that this database
    does not know. `cleared`: of each chore, how many.
    """

    position: str = ""
    is_done: bool = False
    gave_up: bool = False
    looked_at: int = 0
    foreign: int = 0
    removed: dict[str, Sum] = field(default_factory=dict)
    cleared: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def files(self) -> int:
        return sum(one.files for one in self.removed.values())

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.removed.values())

    def add(self, orphan: Orphan) -> None:
        one = self.removed.setdefault(orphan.kind, Sum())
        one.files += 1
        one.bytes += orphan.file.size

    def note_error(self, doing: str, error: Exception) -> None:
        self.errors.append(f"{doing}: {error}")
        self.gave_up = self.gave_up or len(self.errors) >= MOST_ERRORS
        logger.error("Clean-up: %s: %s", doing, error)


_holdings: list[Holding] = []
_chores: dict[str, Chore] = {}


def register(kind: str, layout: str, in_use: InUse, *, fields: Sequence[str]) -> None:
    """Say which files an app's rows hold. Apps call this in their AppConfig.ready.

    `layout`: a regular expression of all that follows `projects/<id>/` in a key, in which `<id>` stands for a UUID.
    `in_use`: of at most 500 keys of this layout, those that a row holds; a fixed number of queries.
    """
    pattern = re.compile(f"{ROOT}/(?P<project><id>)/(?:{layout})".replace("<id>", ID))
    _holdings.append(Holding(kind, layout.partition("/")[0], pattern, in_use, fields))


def register_chore(name: str, do: Callable[[], int], count: Callable[[], int]) -> None:
    _chores[name] = Chore(name, do, count)


def held_fields() -> set[str]:
    """Every column that an app has said to name stored files."""
    return {name for holding in _holdings for name in holding.fields}


def clean(
    *,
    before: datetime,
    after: str = "",
    dry_run: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
    tell: Callable[[Orphan], None] = lambda orphan: None,
) -> Account:
    """Delete the orphans that were last written before `before`, in the storage's order from the key `after` on.

    `tell` is called with each one that was deleted, or would be. Errors of the storage are in the account, which is
    given up after MOST_ERRORS, and goes on after what can't be read; those of the database are raised.
    """
    account = Account(position=after)

    def skip(key: str, error: OSError) -> None:
        account.note_error(f"{key} can't be read", error)

    delete = _Deleting(account, dry_run, tell)
    try:
        for files in _batches(storage().files(ROOT, after, skip), BATCH):
            account.looked_at += len(files)
            for some in _batches(_orphans(_known(account, _old(files, before))), DELETED_AT_ONCE):
                # Again: a row may have come while those before were deleted.
                delete(some if dry_run else _orphans([orphan.file for orphan in some]))
                account.position = some[-1].file.key
                if account.gave_up or should_stop():
                    return account
            account.position = files[-1].key
            if account.gave_up or should_stop():
                return account
        account.position = ""
        unfinished = list(islice(storage().unfinished(ROOT, before), BATCH))  # there is hardly ever one
        delete([Orphan(BROKEN_COPIES, file) for file in _known(account, _old(unfinished, before))])
    except FAILURES as error:
        account.note_error("The storage can't be listed", error)
        account.gave_up = True
        account.position = ""  # else one place that can't be listed would keep the rest from being reached for ever
        return account
    account.is_done = not account.gave_up
    return account


def clear_chores(*, dry_run: bool = False, should_stop: Callable[[], bool] = lambda: False) -> dict[str, int]:
    """Do each chore to its end, or until it has to stop. Returns how many things each cleared, or would."""
    if dry_run:
        return {chore.name: chore.count() for chore in _chores.values()}
    cleared = dict.fromkeys(_chores, 0)
    for chore in _chores.values():
        while not should_stop() and (count := chore.do()):
            cleared[chore.name] += count
    return cleared


@dataclass(frozen=True)
class _Deleting:
    """Deletes orphans and keeps the account of it."""

    account: Account
    dry_run: bool
    tell: Callable[[Orphan], None]

    def __call__(self, orphans: Sequence[Orphan]) -> None:
        for orphan in orphans:
            try:
                if not self.dry_run:
                    self._delete(orphan.file)
            except FAILURES as error:
                self.account.note_error(f"{orphan.file.key} can't be deleted", error)
                if self.account.gave_up:
                    return
            else:
                self.account.add(orphan)
                self.tell(orphan)

    def _delete(self, file: Listed) -> None:
        if file.upload_id:
            storage().abandon(file)
        else:
            storage().discard(file.key)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _old(files: Iterable[Listed], before: datetime) -> list[Listed]:
    return [file for file in files if file.modified is not None and file.modified < before]


def _known(account: Account, files: Sequence[Listed]) -> list[Listed]:
    """Those of a known layout whose project is in this database. One query."""
    projects = {file: match["project"] for file in files if (match := _fit(file.key))}
    rows = Project.across_tenants.filter(pk__in=set(projects.values())).values_list("pk", flat=True)
    here = set(map(str, rows)) if projects else set()
    account.foreign += sum(project not in here for project in projects.values())
    return [file for file, project in projects.items() if project in here]


def _orphans(files: Sequence[Listed]) -> list[Orphan]:
    """Those that no row holds: files of known layouts, what an unfinished PUT has left, and copies that broke off."""
    keys = {file: file.key.removesuffix(PART) for file in files if not _is_broken_copy(file.key)}
    held: set[str] = set()
    for holding in _holdings:
        if asked := [key for key in keys.values() if holding.layout.fullmatch(key)]:
            held |= holding.in_use(asked)
    return [
        Orphan(_kind_of(keys[file]) if file in keys else BROKEN_COPIES, file)
        for file in files
        if keys.get(file) not in held
    ]


def _fit(key: str) -> re.Match[str] | None:
    """Of a key that an app may have made, or of a copy that broke off beside such ones."""
    if not key.isprintable():
        return None
    if _is_broken_copy(key):
        folders = "|".join(sorted({holding.folder for holding in _holdings}))
        return re.match(f"{ROOT}/(?P<project>{ID})/(?:{folders})/", key)
    whole = key.removesuffix(PART)
    return next((match for holding in _holdings if (match := holding.layout.fullmatch(whole))), None)


def _kind_of(key: str) -> str:
    return next(holding.kind for holding in _holdings if holding.layout.fullmatch(key))


def _is_broken_copy(key: str) -> bool:
    return key.rpartition("/")[2].startswith(WRITING)
