"""Faults that can be switched on, by flags or while the gateway runs: this is how delivery is tested."""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any


def _fault[T](default: T, text: str) -> T:
    value: T = field(default=default, metadata={"help": text})
    return value


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults that are on; rates are probabilities, of posts unless stated otherwise."""

    error_rate: float = _fault(0.0, "probability of a 500, not delivered")
    reset_rate: float = _fault(0.0, "probability of a connection reset, not delivered")
    lost_response_rate: float = _fault(0.0, "probability of a connection reset after the delivery")
    throttle_rate: float = _fault(0.0, "probability of a 429")
    latency_ms: float = _fault(0.0, "time added to every post")
    connect_delay_ms: float = _fault(0.0, "time between the answer of $connect and the open connection")
    frame_delay_ms: float = _fault(0.0, "longest time that a client's frame waits, at random, so that frames overtake")
    drop_disconnect: float = _fault(0.0, "probability that a $disconnect event is never sent")
    drop_authorizer_context: bool = _fault(False, "$disconnect events come without the authorizer's context")
    empty_frames: bool = _fault(False, "a client gets an empty frame after a request without a response")
    skip_connect: bool = _fault(False, "connections open unasked: no authorizer, no $connect, no quota of connects")
    seed: int = _fault(1, "seed of the probabilities, so that a run can be repeated")

    def __post_init__(self) -> None:
        """Refuse a value that is no probability or no time."""
        for name in ("error_rate", "reset_rate", "lost_response_rate", "throttle_rate", "drop_disconnect"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {getattr(self, name)}")
        if self.error_rate + self.reset_rate + self.lost_response_rate + self.throttle_rate > 1:
            raise ValueError("the rates of a post's faults must add up to at most 1")
        for name in ("latency_ms", "connect_delay_ms", "frame_delay_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")

    @classmethod
    def from_json(cls, content: Any) -> "Faults":
        """The faults named in a JSON object; all others are off. An error names the field."""
        if not isinstance(content, Mapping):
            raise TypeError("faults are a JSON object")
        defaults = asdict(cls())
        for name, value in content.items():
            if name not in defaults:
                raise ValueError(f"{name} is unknown; faults are {', '.join(defaults)}")
            expected = (int, float) if isinstance(defaults[name], float) else type(defaults[name])
            if not isinstance(value, expected) or isinstance(value, bool) != isinstance(defaults[name], bool):
                raise TypeError(f"{name} must be a {type(defaults[name]).__name__}")
        return cls(**content)


class PostFault(Enum):
    """Fault of one post."""

    ERROR = "error_rate"
    RESET = "reset_rate"
    LOST_RESPONSE = "lost_response_rate"
    THROTTLE = "throttle_rate"


class FaultInjector:
    """Draws faults with the probabilities that are set at the moment."""

    def __init__(self, faults: Faults) -> None:
        self.set(faults)

    def set(self, faults: Faults) -> None:
        """Switch to these faults and start their seed again."""
        self.current = faults
        self._random = random.Random(faults.seed)  # noqa: S311 - repeatable on purpose
        self._post_faults = [(fault, getattr(faults, fault.value)) for fault in PostFault]
        self.posts_are_faulty = any(rate for _, rate in self._post_faults)

    def draw_post_fault(self) -> PostFault | None:
        """The fault of the next post, or none."""
        point = self._random.random()
        for fault, rate in self._post_faults:
            if point < rate:
                return fault
            point -= rate
        return None

    def drops_disconnect(self) -> bool:
        """Tell whether the next `$disconnect` event gets lost."""
        rate = self.current.drop_disconnect
        return rate > 0 and self._random.random() < rate

    def draw_frame_delay(self) -> float:
        """Seconds that the next frame of a client waits before its route is called."""
        longest = self.current.frame_delay_ms
        return self._random.uniform(0.0, longest) / 1_000 if longest else 0.0
