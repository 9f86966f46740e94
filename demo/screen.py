"""What the demo prints: one line a step with its time, a bar while something runs, and checks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

console = Console(highlight=False, soft_wrap=True)


class CheckError(Exception):
    """A result was not what it has to be."""


@dataclass
class Step:
    """A step under way; `note` adds a line below it, `check` demands something of its result."""

    title: str
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def check(self, holds: bool, claim: str) -> None:
        """Record `claim` as checked. Raises CheckError unless `holds`."""
        if not holds:
            raise CheckError(f"{self.title}: not so: {claim}")
        self.notes.append(f"[green]✓[/green] {claim}")


@contextmanager
def step(number: int, total: int, title: str) -> Iterator[Step]:
    """Print the step's line when it starts and, when it ends well, its time and notes."""
    started = time.monotonic()
    console.print(f"[bold]{number}/{total}[/bold] {title} …")
    current = Step(title)
    yield current
    for note in current.notes:
        console.print(f"      {note}")
    console.print(f"      [dim]{time.monotonic() - started:.1f} s[/dim]")


@contextmanager
def bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """Show a progress bar while the context is open; call the yielded function with a share (0 … 1) and a message."""
    columns = TextColumn("      {task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=1.0)

        def show(share: float, message: str) -> None:
            progress.update(task, completed=share, description=f"{title}: {message}" if message else title)

        yield show
