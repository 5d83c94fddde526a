"""Faults: their legal values, and how often they strike."""

from collections import Counter
from typing import Any

import pytest

from tools.emulator.gateway.faults import FaultInjector, Faults, PostFault


def test_named_faults_are_on_and_all_others_off() -> None:
    """A whole number is as good as a fraction."""
    assert Faults.from_json({"error_rate": 0.5, "drop_disconnect": 1}) == Faults(error_rate=0.5, drop_disconnect=1)
    assert Faults.from_json({}) == Faults()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"eror_rate": 0.1}, "eror_rate"),
        ({"error_rate": 1.5}, "error_rate"),
        ({"error_rate": -0.1}, "error_rate"),
        ({"error_rate": "x"}, "error_rate"),
        ({"error_rate": True}, "error_rate"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"frame_delay_ms": -1}, "frame_delay_ms"),
        ({"drop_authorizer_context": 1}, "drop_authorizer_context"),
        ({"error_rate": 0.6, "reset_rate": 0.6}, "add up"),
        ([], "JSON object"),
    ],
)
def test_an_unknown_fault_is_refused_by_name(content: Any, named: str) -> None:
    """The message says which field is wrong."""
    with pytest.raises((TypeError, ValueError), match=named):
        Faults.from_json(content)


def test_each_fault_of_a_post_strikes_as_often_as_it_should() -> None:
    """Within what 20,000 draws allow."""
    injector = FaultInjector(Faults(error_rate=0.1, reset_rate=0.05, throttle_rate=0.2, lost_response_rate=0.01))
    draws = Counter(injector.draw_post_fault() for _ in range(20_000))
    assert {fault: round(draws[fault] / 20_000, 2) for fault in PostFault} == {
        PostFault.ERROR: pytest.approx(0.1, abs=0.01),
        PostFault.RESET: pytest.approx(0.05, abs=0.01),
        PostFault.THROTTLE: pytest.approx(0.2, abs=0.01),
        PostFault.LOST_RESPONSE: pytest.approx(0.01, abs=0.01),
    }


def test_a_seed_repeats_its_faults() -> None:
    """So that a failed run can be looked at again."""
    faults = Faults(error_rate=0.5, seed=7)
    injector = FaultInjector(faults)
    first = [injector.draw_post_fault() for _ in range(50)]
    injector.set(faults)
    assert [injector.draw_post_fault() for _ in range(50)] == first


def test_frames_wait_for_times_up_to_the_longest() -> None:
    """The later of two frames that a client sends at once often has the shorter wait."""
    injector = FaultInjector(Faults(frame_delay_ms=20.0))
    delays = [injector.draw_frame_delay() for _ in range(200)]
    assert 0.0 <= min(delays) < 0.005
    assert 0.015 < max(delays) <= 0.020
    assert FaultInjector(Faults()).draw_frame_delay() == 0.0


def test_no_random_number_is_drawn_without_faults() -> None:
    """The path of a post stays short."""
    injector = FaultInjector(Faults())
    assert not injector.posts_are_faulty
    assert not injector.drops_disconnect()
    assert FaultInjector(Faults(drop_disconnect=1)).drops_disconnect()
