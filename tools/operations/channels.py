"""A tenant's settings of channels as an operator writes them: `loudhailer tenant put --channels JSON`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from loudhailer import codec, ids
from loudhailer.errors import InvalidFieldError
from loudhailer.tenants.channels import ChannelSetting, Retention
from tools.errors import OperatorError

MOST_PATTERNS = 20
"""Most patterns of a tenant: each function reads them with the tenant's row."""

AHEAD_SECONDS = 120
"""Seconds until new history begins. Functions cache a tenant for a minute; by then all of them know the setting."""

_BOUNDS = {"messages": (1, 10_000), "seconds": (60, 7 * 24 * 3600)}
_FORM = '[{"pattern":"news/*","history":{"messages":1000,"seconds":86400}}]'


@dataclass(frozen=True)
class ChannelsChange:
    """Settings that take the place of a tenant's former ones, each with the time at which new history would begin."""

    settings: tuple[ChannelSetting, ...]

    @classmethod
    def of(cls, text: str, now: float) -> "ChannelsChange":
        """Read the settings from their JSON; OperatorError says what is wrong with them."""
        try:
            return cls(_settings(codec.decode(text), int(now) + AHEAD_SECONDS))
        except codec.NotJsonError as error:
            problem = f"--channels {error}"
        except InvalidFieldError as error:
            problem = str(error)
        raise OperatorError(f"The settings of channels can't be put: {problem}.", f"They look like {_FORM}.")

    def after(self, former: Sequence[ChannelSetting]) -> tuple[ChannelSetting, ...]:
        """Return the settings; history continues for a pattern that had it.

        It begins at `begins_at` if a channel that was without history meanwhile may come to the pattern. Otherwise a
        client of that channel would miss messages without learning it.
        """
        begun = {one.pattern: one.history for one in former if one.history is not None}
        settings: list[ChannelSetting] = []
        for one in self.settings:
            before = begun.get(one.pattern)
            if one.history is not None and before is not None and not _comes_free(one, settings, former):
                settings.append(replace(one, history=replace(one.history, begins_at=before.begins_at)))
            else:
                settings.append(one)
        return tuple(settings)


def _comes_free(setting: ChannelSetting, before: Sequence[ChannelSetting], former: Sequence[ChannelSetting]) -> bool:
    """Tell whether a pattern that took its channels out of the setting's history was before it, and is not any more.

    A pattern without history took them out, and so did one whose history began later.
    """
    place = [one.pattern for one in former].index(setting.pattern)
    history = former[place].history
    now = {one.pattern: one.history for one in before}
    return any(
        one.pattern not in now or (one.history is None and now[one.pattern] is not None)
        for one in former[:place]
        if one.history is None or history is None or one.history.begins_at > history.begins_at
    )


def _settings(wanted: Any, begins_at: int) -> tuple[ChannelSetting, ...]:
    if not isinstance(wanted, list):
        raise InvalidFieldError("channels", "must be a list")
    if len(wanted) > MOST_PATTERNS:
        raise InvalidFieldError("channels", f"has {len(wanted)} patterns, {MOST_PATTERNS} are the most")
    settings = [_setting(one, f"channels[{place}]", begins_at) for place, one in enumerate(wanted)]
    patterns = [one.pattern for one in settings]
    for place, pattern in enumerate(patterns):
        if pattern in patterns[:place]:
            raise InvalidFieldError(f"channels[{place}].pattern", f"{pattern} is there twice")
    return tuple(settings)


def _setting(wanted: Any, field: str, begins_at: int) -> ChannelSetting:
    _check_fields(wanted, field, required={"pattern"}, optional={"history"})
    pattern = ids.pattern(wanted["pattern"], f"{field}.pattern")
    if "history" not in wanted:
        return ChannelSetting(pattern)
    kept, field = wanted["history"], f"{field}.history"
    _check_fields(kept, field, required=set(_BOUNDS))
    for name, (least, most) in _BOUNDS.items():
        if type(kept[name]) is not int or not least <= kept[name] <= most:
            raise InvalidFieldError(f"{field}.{name}", f"must be a whole number from {least} to {most:,}")
    return ChannelSetting(pattern, Retention(kept["messages"], kept["seconds"], begins_at))


def _check_fields(
    wanted: Any, field: str, *, required: set[str], optional: frozenset[str] | set[str] = frozenset()
) -> None:
    if not isinstance(wanted, dict):
        raise InvalidFieldError(field, "must be an object")
    if "from" in wanted:
        raise InvalidFieldError(f"{field}.from", "is written by this command, and can't be set")
    if unknown := sorted(wanted.keys() - required - optional):
        raise InvalidFieldError(f"{field}.{unknown[0][:64]}", "is not a setting")
    if missing := sorted(required - wanted.keys()):
        raise InvalidFieldError(f"{field}.{missing[0]}", "is missing")
