"""Every frame of a client gets a sensible answer, and affects no other client.

Hypothesis makes the frames, the same ones in every run.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from loudhailer.ids import TenantId
from tests.e2e.scene import EVERYONE, Guest, Scene
from tests.e2e.system import System
from tests.support.hostile_frames import ROUTES, is_legal
from tools.client.socket import Socket

ANSWER_SECONDS = 20.0
FUZZ = settings(
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # what fails once may not fail again: the frame is shown as it was
    suppress_health_check=list(HealthCheck),
)


@dataclass
class Party:
    """Clients that are connected while another one sends malformed frames, each in its own session but for the sibling.

    Attributes:
        scene: the test's part of the system.
        fuzzer: sends the frames.
        sibling: is in the same session, so that it may get every frame.
        friend: writes to the neighbour all the while.
        neighbour: is of the same tenant, in the room.
        stranger: is of another tenant.
        written: how often the friend has written.
    """

    scene: Scene
    fuzzer: Guest
    sibling: Socket
    friend: Guest
    neighbour: Guest
    stranger: Guest
    written: int = 0

    @classmethod
    async def gather(cls, scene: Scene, tenant: TenantId) -> "Party":
        """Connect all clients."""
        fuzzed = await scene.session(tenant, "ann", grants={"chat/*": "p"})
        party = cls(
            scene,
            fuzzer=await scene.connect(fuzzed),
            sibling=await scene.connect(fuzzed),
            friend=await scene.connect(await scene.session(tenant, "eve")),
            neighbour=await scene.connect(await scene.session(tenant, "bob")),
            stranger=await scene.guest(scene.tenant()),
        )
        party.neighbour.send_json({"action": "joinroom", "roomKey": "lobby", "nickName": "bob"})
        assert (await party.neighbour.frame())["action"] == "joinroom"
        return party

    async def receives(self, text: str) -> None:
        """The fuzzer sends a frame and gets a legal answer; the friend writes once more."""
        self.fuzzer.send(text)
        frame = await self.fuzzer.receive_json(ANSWER_SECONDS)
        assert is_legal(frame), frame
        self.friend.send_json({"action": "sendmessage", "destinationPlayerId": "bob", "message": self.written})
        assert (await self.friend.frame())["status"] == "Message sent!"
        self.written += 1

    async def is_unharmed(self) -> None:
        """Every client is still connected, has the friend's message, and gets further frames."""
        last = await self.scene.broadcast(EVERYONE, "the last")
        assert all(is_legal(frame) for frame in await self.fuzzer.frames_until(last))
        assert await self.stranger.frames_until(last) == []
        heard: list[Any] = []
        while len(written := [each["message"] for each in heard if each.get("srcPlayerId") == "eve"]) < self.written:
            heard.append(await self.neighbour.frame())
        assert written == list(range(self.written))
        assert all(is_legal(frame) for frame in heard)
        assert self.sibling.is_open


@contextmanager
def party(system: System, *, has_silo: bool) -> Iterator[tuple[Party, asyncio.Runner]]:
    """A party, and the loop that it lives in: Hypothesis calls functions, not coroutines."""
    with asyncio.Runner() as runner:
        scene = runner.run(Scene(system).__aenter__())
        try:
            yield runner.run(Party.gather(scene, TenantId("gold") if has_silo else scene.tenant())), runner
        finally:
            runner.run(scene.__aexit__())


@pytest.mark.parametrize("frames", [8, pytest.param(200, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("route", ROUTES)
def test_every_frame_gets_a_legal_answer_and_harms_no_other_client(system: System, route: str, frames: int) -> None:
    """Never `Internal server error`, never a closed neighbour, never a word to another tenant."""
    with party(system, has_silo=route == "SiloSQS") as (guests, runner):

        @settings(FUZZ, max_examples=frames)
        @given(ROUTES[route])
        def receives(text: str) -> None:
            runner.run(guests.receives(text))

        receives()
        runner.run(guests.is_unharmed())
