"""Fair queues: a tenant that had much of the consumers' time waits for tenants that had little."""

from typing import Any

from tools.emulator.aws.fair_share import FairShare

NOW = 1_000.0


def message(name: str, group: str | None = None, *, in_flight: bool = False) -> dict[str, Any]:
    """A message as the emulator keeps it."""
    waiting = {"id": name, "receive_count": int(in_flight), "visible_at": NOW + 60 * in_flight}
    return waiting if group is None else {**waiting, "group_id": group}


def arranged(share: FairShare, *messages: dict[str, Any]) -> str:
    """The order of the messages."""
    waiting = list(messages)
    share.arrange(waiting)
    return "".join(each["id"] for each in waiting)


A, B, C, D = message("a", "loud"), message("b", "loud"), message("c", "quiet"), message("d")


def test_messages_keep_their_order_before_any_was_handled() -> None:
    """Nobody is noisy yet."""
    assert arranged(FairShare(wall_clock=lambda: NOW), A, C, B, D) == "acbd"


def test_quiet_tenants_come_before_noisy_ones() -> None:
    """A message without a group is a tenant of its own, however many there were of those."""
    share = FairShare(wall_clock=lambda: NOW)
    share.took(["loud"], 5.0)
    share.took(["quiet"], 0.5)
    share.took([None], 5.0)
    assert arranged(share, A, B, D, C) == "dcab"


def test_a_batch_counts_for_the_groups_in_it() -> None:
    """Each of its messages for its part of the time."""
    share = FairShare(wall_clock=lambda: NOW)
    share.took(["loud", *["quiet"] * 19], 20.0)
    assert arranged(share, C, A) == "ac"


def test_a_tenant_that_is_alone_is_served_in_order() -> None:
    """It is noisy, and nobody waits."""
    share = FairShare(wall_clock=lambda: NOW)
    share.took(["loud"], 5.0)
    assert arranged(share, A, B) == "ab"


def test_noisy_tenants_are_forgotten_after_a_while() -> None:
    """Half a minute later it is a tenant as any other."""
    now = [100.0]
    share = FairShare(lambda: now[0], lambda: NOW)
    share.took(["loud"], 5.0)
    now[0] += 30.0
    assert arranged(share, A, C) == "ca"
    now[0] += 0.1
    assert arranged(share, A, C) == "ac"


def test_the_noisy_tenant_with_fewer_messages_in_flight_comes_first() -> None:
    """So they get equal shares of the consumers, however many messages either has."""
    share = FairShare(wall_clock=lambda: NOW)
    share.took(["loud"], 5.0)
    share.took(["other"], 2.0)
    flying = message("f", "loud", in_flight=True)
    assert arranged(share, A, B, message("o", "other"), C, flying) == "coabf"


def test_a_tenant_with_many_messages_in_flight_is_noisy() -> None:
    """Thirty are many, if they are a tenth of all; before the first of them is handled, too."""
    share = FairShare(wall_clock=lambda: NOW)
    flying = [message("f", "loud", in_flight=True) for _ in range(30)]
    assert arranged(share, A, C, *flying[:29]) == "ac" + "f" * 29
    assert arranged(share, A, C, *flying) == "ca" + "f" * 30


def test_a_tenant_without_messages_in_flight_is_quiet_again() -> None:
    """The next one that it sends is a new beginning."""
    share = FairShare(wall_clock=lambda: NOW)
    share.took(["loud"], 5.0)
    share.took(["quiet"], 0.5)
    assert arranged(share, C) == "c"
    assert arranged(share, A, C) == "ac"
