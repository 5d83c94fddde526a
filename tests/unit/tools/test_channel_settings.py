"""Settings of channels that an operator puts."""

from typing import Any

import pytest

from loudhailer import codec
from loudhailer.ids import Pattern, TenantId
from loudhailer.tenants.channels import ChannelSetting, Retention
from tools.errors import OperatorError
from tools.operations.channels import ChannelsChange
from tools.operations.tenants import SAMPLE_TENANTS, TenantChange

KEPT = {"messages": 100, "seconds": 3_600}


def settings(*wanted: Any, now: float = 1_000, former: tuple[ChannelSetting, ...] = ()) -> tuple[ChannelSetting, ...]:
    """Put the settings at a time, in place of the former ones."""
    return ChannelsChange.of(codec.encode_text(list(wanted)), now).after(former)


def begins(found: tuple[ChannelSetting, ...]) -> dict[str, int | None]:
    """When the history of each pattern begins."""
    return {one.pattern: one.history.begins_at if one.history else None for one in found}


def kept(pattern: str, **others: int) -> dict[str, Any]:
    """A pattern with history."""
    return {"pattern": pattern, "history": KEPT | others}


def test_new_history_begins_when_every_cache_knows_it() -> None:
    """Two minutes ahead."""
    assert settings(kept("news/*"), {"pattern": "sport"}, now=1_000.9) == (
        ChannelSetting(Pattern("news/*"), Retention(100, 3_600, 1_120)),
        ChannelSetting(Pattern("sport")),
    )


def test_history_continues_when_its_bounds_change() -> None:
    """And when another pattern comes, or one with history goes."""
    former = settings(kept("news/uk"), kept("news/*"))
    found = settings(kept("news/*", seconds=60), kept("sport"), now=5_000, former=former)
    assert begins(found) == {"news/*": 1_120, "sport": 5_120}
    assert found[0].history == Retention(100, 60, 1_120)


def test_history_that_was_taken_away_begins_again_later() -> None:
    """Messages of the time between have no offsets."""
    former = settings(kept("news/*"))
    without = settings({"pattern": "news/*"}, now=2_000, former=former)
    assert begins(without) == {"news/*": None}
    assert begins(settings(kept("news/*"), now=3_000, former=without)) == {"news/*": 3_120}
    assert settings(now=2_000, former=former) == ()


def test_history_begins_later_where_a_channel_without_history_comes_to_its_pattern() -> None:
    """`news/uk` had none, and must not continue what it had before."""
    former = settings({"pattern": "news/uk"}, kept("news/*"), {"pattern": "sport"})
    assert begins(settings({"pattern": "news/uk"}, kept("news/*"), now=5_000, former=former))["news/*"] == 1_120
    assert begins(settings(kept("news/*"), now=5_000, former=former)) == {"news/*": 5_120}
    assert begins(settings(kept("news/*"), {"pattern": "news/uk"}, now=5_000, former=former))["news/*"] == 5_120
    assert begins(settings(kept("news/uk"), kept("news/*"), now=5_000, former=former)) == {
        "news/uk": 5_120,
        "news/*": 5_120,
    }


def test_history_begins_later_where_a_channel_comes_back_to_its_pattern() -> None:
    """`news/uk` had a history of its own meanwhile, which began two minutes late: those messages have no offsets."""
    first = settings(kept("news/*"))
    second = settings(kept("news/uk"), kept("news/*"), now=10_000, former=first)
    assert begins(second) == {"news/uk": 10_120, "news/*": 1_120}
    assert begins(settings(kept("news/uk"), kept("news/*"), now=10_050, former=second)) == begins(second)
    assert begins(settings(kept("news/*"), now=10_050, former=second)) == {"news/*": 10_170}
    assert begins(settings(kept("news/*"), now=20_000, former=second)) == {"news/*": 20_120}


MALFORMED: list[tuple[str, str]] = [
    ("", "--channels is not JSON"),
    ("news/*", "--channels is not JSON"),
    ("{}", "channels: must be a list"),
    ("[1]", "channels[0]: must be an object"),
    ("[{}]", "channels[0].pattern: is missing"),
    ('[{"pattern":7}]', "channels[0].pattern: must be 1 to 5 segments"),
    ('[{"pattern":"a//b"}]', "channels[0].pattern: must be 1 to 5 segments"),
    ('[{"pattern":"*"}]', "channels[0].pattern: must be 1 to 5 segments"),
    ('[{"pattern":"room/lobby"}]', "channels[0].pattern: must not begin with the segment 'room'"),
    ('[{"pattern":"a"},{"pattern":"a"}]', "channels[1].pattern: a is there twice"),
    ('[{"pattern":"a","presence":true}]', "channels[0].presence: is not a setting"),
    ('[{"pattern":"a","history":true}]', "channels[0].history: must be an object"),
    ('[{"pattern":"a","history":{"messages":1}}]', "channels[0].history.seconds: is missing"),
    (
        '[{"pattern":"a","history":{"messages":0,"seconds":60}}]',
        "history.messages: must be a whole number from 1 to 10,000",
    ),
    ('[{"pattern":"a","history":{"messages":10001,"seconds":60}}]', "history.messages: must be a whole number"),
    ('[{"pattern":"a","history":{"messages":true,"seconds":60}}]', "history.messages: must be a whole number"),
    (
        '[{"pattern":"a","history":{"messages":1,"seconds":59}}]',
        "history.seconds: must be a whole number from 60 to 604,800",
    ),
    ('[{"pattern":"a","history":{"messages":1,"seconds":604801}}]', "history.seconds: must be a whole number"),
    ('[{"pattern":"a","history":{"messages":1,"seconds":60.5}}]', "history.seconds: must be a whole number"),
    ('[{"pattern":"a","history":{"messages":1,"seconds":60,"days":1}}]', "history.days: is not a setting"),
    ('[{"pattern":"a","history":{"messages":1,"seconds":60,"from":1}}]', "history.from: is written by this command"),
    (
        codec.encode_text([{"pattern": f"p{number}"} for number in range(21)]),
        "channels: has 21 patterns, 20 are the most",
    ),
]


@pytest.mark.parametrize(("text", "problem"), MALFORMED)
def test_malformed_settings_are_refused(text: str, problem: str) -> None:
    """The error names the setting and its legal form, and the command changes nothing."""
    with pytest.raises(OperatorError) as refused:
        ChannelsChange.of(text, 1_000)
    assert problem in refused.value.problem
    assert '[{"pattern":"news/*"' in refused.value.remedy


def test_the_settings_of_a_tenant_stay_until_others_are_put() -> None:
    """As its limits do."""
    bronze = SAMPLE_TENANTS[0]
    change = TenantChange(channels=ChannelsChange.of(codec.encode_text([kept("news/*")]), 1_000))
    tenant = change.applied_to(TenantId("bronze"), bronze)
    assert begins(tenant.channels) == {"news/*": 1_120}
    again = TenantChange(messages_per_minute=7).applied_to(tenant.tenant_id, tenant)
    assert again.channels == tenant.channels
    assert again.to_wire()["channels"] == [{"pattern": "news/*", "history": {**KEPT, "from": 1_120}}]
    later = TenantChange(channels=ChannelsChange.of(codec.encode_text([kept("news/*")]), 9_000))
    assert later.applied_to(tenant.tenant_id, tenant).channels == tenant.channels
