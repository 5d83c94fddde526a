"""The place that every command starts from."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer
import uvloop

from tools.console import Terminal
from tools.errors import OperatorError
from tools.release.description import deployment_of
from tools.release.environment import Environment
from tools.stack.access import AccountAccess
from tools.stack.deployment import Deployment
from tools.stack.directory import StackDirectory
from tools.stack.lifecycle import Stack
from tools.stack.project import Project


@dataclass(frozen=True)
class OnAws:
    """An environment on AWS that a command is for; the profile and the Region are those of AWS's own tools.

    Attributes:
        environment: its name.
        profile: the profile of the credentials; None: AWS's own tools decide.
        region: the Region of the hub, if it is not the one in the environment's files.
    """

    environment: str
    profile: str | None = None
    region: str | None = None

    def deployment(self) -> Deployment:
        """The deployment, found by the environment's files and by what its hub says."""
        known = Environment.of(Project.of_this_code(), self.environment)
        chosen = replace(known, region=self.region or known.region)
        return deployment_of(chosen, AccountAccess.of_the_caller(chosen.region, self.profile))


@dataclass(frozen=True)
class Workplace:
    """Starting point of every command: the deployment that it is for, and the terminal.

    Attributes:
        home: the folder of the local stacks; None: `.loudhailer` in the checkout.
        stack_name: the local stack.
        terminal: the output.
        aws: the environment that the command is for, in place of a local stack.
    """

    home: Path | None
    stack_name: str
    terminal: Terminal
    aws: OnAws | None = None

    @classmethod
    def of(cls, context: typer.Context) -> "Workplace":
        """Return the workplace of the command that was given."""
        place: Workplace = context.obj
        return place

    def stack(self, name: str | None = None, **variables: Any) -> Stack:
        """A stack in the state directory: the one that the command is for, or another.

        OperatorError if the command was given an environment instead.
        """
        if self.aws is not None:
            raise OperatorError(
                "This command takes no --environment before its name: it is for local stacks, or has an argument.",
                "Leave out --environment, --profile and --region, or see the command's own --help.",
            )
        project = Project.of_this_code()
        home = (self.home or project.root / ".loudhailer").resolve()
        return Stack(project, StackDirectory(home / (name or self.stack_name)), self.terminal, variables)

    def deployment(self) -> Deployment:
        """The deployment that the command is for: the running local stack, or that of an environment."""
        if self.aws is not None:
            return self.aws.deployment()
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
