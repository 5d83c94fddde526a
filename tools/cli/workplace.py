"""The place that every command starts from."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import uvloop

from tools.console import Terminal
from tools.stack.deployment import Deployment
from tools.stack.directory import StackDirectory
from tools.stack.lifecycle import Stack
from tools.stack.project import Project


@dataclass(frozen=True)
class Workplace:
    """Starting point of every command: the folder of the stacks, and the terminal."""

    home: Path | None
    stack_name: str
    terminal: Terminal

    @classmethod
    def of(cls, context: typer.Context) -> "Workplace":
        """Return the workplace of the command that was given."""
        place: Workplace = context.obj
        return place

    def stack(self, name: str | None = None, **variables: Any) -> Stack:
        """A stack in the state directory: the one that the command is for, or another."""
        project = Project.of_this_code()
        home = (self.home or project.root / ".loudhailer").resolve()
        return Stack(project, StackDirectory(home / (name or self.stack_name)), self.terminal, variables)

    def deployment(self) -> Deployment:
        """The running local stack."""
        return Deployment.of(self.stack().state())

    @contextmanager
    def held(self, stack: Stack) -> Iterator[None]:
        """Hold the stack's lock, saying so if that takes a while."""
        with stack.directory.locked(lambda: self.terminal.say("Another command is at work on this stack; waiting …")):
            yield


def run[T](work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous work to its end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
