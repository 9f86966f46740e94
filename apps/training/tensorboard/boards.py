"""Which TensorBoards run in this web process: one for each project, few at a time, ended when nobody looks."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from uuid import UUID

from django.conf import settings

from apps.training.tensorboard import logs
from apps.training.tensorboard.logs import Addition, Laid
from apps.training.tensorboard.process import CannotStartError, Process, remove_left_folders

logger = logging.getLogger(__name__)

# Who was looked at within this time does not have to give way.
NEW_S = 60.0
# How often the database is asked what there is to add, while somebody looks.
LOOK_EVERY_S = 5.0
REAP_EVERY_S = 2.0
START_S = 60.0
KEEP_FAILED_S = 60.0


class AllInUseError(Exception):
    """As many run as may."""


@dataclass
class Board:
    """The TensorBoard of one project. `why`: what went wrong, for people; empty as long as nothing has.

    `started_at`: when its process began; None: what it begins with is still being fetched. All of its folder is written
    and removed in `fetcher`, a thread of its own: a slow storage keeps no other board waiting.
    """

    project: UUID
    process: Process
    laid: Laid = field(default_factory=Laid)
    why: str = ""
    is_ended: bool = False
    started_at: float | None = None
    used_at: float = field(default_factory=time.monotonic)
    looked_at: float = field(default_factory=time.monotonic)
    fetcher: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "tensorboard-fetcher"))

    @property
    def state(self) -> str:
        """ "starting", "ready" or "failed"."""
        if self.why:
            return "failed"
        return "failed" if self.process.state == "ended" else self.process.state

    def looks_again(self) -> bool:
        """Whether it is time to look for more, which counts as done then."""
        now = time.monotonic()
        due = now - self.looked_at >= LOOK_EVERY_S
        if due:
            self.looked_at = now
        return due


class Boards:
    """All of this process. One thread starts and ends them, since each dies with the thread that started it."""

    def __init__(self) -> None:
        self._boards: dict[UUID, Board] = {}
        self._lock = threading.Lock()
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="tensorboard")
        self._reaper: threading.Thread | None = None
        self._closed = threading.Event()

    def running(self, project: UUID) -> Board | None:
        """The board of the project, whatever its state, which counts as a look at it."""
        with self._lock:
            board = self._boards.get(project)
            if board is not None:
                board.used_at = time.monotonic()
            return board

    def open(self, project: UUID, additions: Callable[[], list[Addition]]) -> Board:
        """The board of the project, started if there is none. `additions` says what it begins with.

        Raises AllInUseError where none of the others may give way.
        """
        board = self.running(project)
        if board is not None:
            return board
        first = additions()
        with self._lock:
            board = self._boards.get(project)
            if board is not None:
                return board
            for other in self._make_room():
                self._end(other)
            board = self._boards[project] = Board(project, Process(str(project)))
            self._begin_reaping()
        board.fetcher.submit(self._begin, board, first)
        return board

    def add(self, board: Board, additions: list[Addition]) -> None:
        """Add to what the board shows, soon."""
        if additions:
            with suppress(RuntimeError):  # it was ended meanwhile
                board.fetcher.submit(self._add, board, additions)

    def close(self, board: Board) -> None:
        """End this board, unless that has been done; another one of its project stays."""
        with self._lock:
            if self._boards.get(board.project) is not board:
                return
            del self._boards[board.project]
        self._end(board)

    def close_all(self) -> None:
        """End everything. No board is opened here again."""
        self._closed.set()
        self._keeper.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            boards, self._boards = list(self._boards.values()), {}
        for board in boards:
            board.is_ended = True
            board.process.end()
            board.fetcher.shutdown(cancel_futures=True)
            board.process.remove()

    def reap(self) -> None:
        """End those that are idle, need too much memory, do not get ready or have failed a while ago."""
        now = time.monotonic()
        with self._lock:
            boards = list(self._boards.values())
        for board in boards:
            if now - board.used_at > (KEEP_FAILED_S if board.state == "failed" else settings.TENSORBOARD_IDLE_S):
                self.close(board)
            elif board.state == "starting" and board.started_at is not None and now - board.started_at > START_S:
                self._fail(board, f"It was not ready within {START_S:g} seconds.")
            elif board.state == "ready" and board.process.needs_too_much_memory:
                self._fail(
                    board,
                    f"It needed more than the {settings.TENSORBOARD_MEMORY_BYTES // 2**20:,} MB of memory that it may "
                    "have (TENSORBOARD_MEMORY_MB): the runs of this project have large logs.",
                )

    def _make_room(self) -> list[Board]:
        """The one that gives way, if one has to; it is no longer listed. The caller holds the lock."""
        if len(self._boards) < settings.TENSORBOARD_MAX:
            return []
        before = time.monotonic() - NEW_S
        idle = [board for board in self._boards.values() if board.used_at < before or board.state == "failed"]
        if not idle:
            raise AllInUseError
        return [self._boards.pop(min(idle, key=lambda board: board.used_at).project)]

    def _begin(self, board: Board, additions: list[Addition]) -> None:
        self._add(board, additions)
        with suppress(RuntimeError):  # the platform ends
            self._keeper.submit(self._start, board)

    def _add(self, board: Board, additions: list[Addition]) -> None:
        logs.add((one for one in additions if not board.is_ended), board.process.folder, board.laid)

    def _start(self, board: Board) -> None:
        if board.is_ended:
            return
        board.started_at = time.monotonic()
        try:
            board.process.start()
        except CannotStartError as error:
            board.why = str(error)
        except Exception as error:
            logger.exception("The TensorBoard of project %s could not be started.", board.project)
            board.why = f"It could not be started: {error}"

    def _fail(self, board: Board, why: str) -> None:
        board.why = why
        logger.warning("The TensorBoard of project %s was ended. %s", board.project, why)
        self._end(board)

    def _end(self, board: Board) -> None:
        """In the thread that starts them, so that nothing is started after its end."""
        if not board.is_ended:
            board.is_ended = True
            self._keeper.submit(self._stop, board)

    def _stop(self, board: Board) -> None:
        board.process.end()
        board.fetcher.submit(board.process.remove)  # after what it is writing
        board.fetcher.shutdown(wait=False)

    def _begin_reaping(self) -> None:
        if self._reaper is None:
            self._keeper.submit(remove_left_folders)
            self._reaper = threading.Thread(target=self._reap_on, name="tensorboard-reaper", daemon=True)
            self._reaper.start()

    def _reap_on(self) -> None:
        while not self._closed.wait(REAP_EVERY_S):
            try:
                self.reap()
            except Exception:
                logger.exception("Idle TensorBoards could not be ended.")


@cache
def boards() -> Boards:
    """Those of this process."""
    found = Boards()
    atexit.register(found.close_all)
    return found
