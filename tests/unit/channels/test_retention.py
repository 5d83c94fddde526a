"""A tenant's settings of the history of its channels."""

import pytest

from loudhailer.ids import Channel, Pattern
from loudhailer.tenants.channels import ChannelSetting, Retention, retention_of

SETTINGS = [
    ChannelSetting(Pattern("news/uk"), Retention(1, 60, 0)),
    ChannelSetting(Pattern("news/*"), Retention(2, 60, 0)),
    ChannelSetting(Pattern("sport")),
    ChannelSetting(Pattern("sport/*"), Retention(3, 60, 0)),
    ChannelSetting(Pattern("sport/a/*"), Retention(4, 60, 0)),
]


@pytest.mark.parametrize(
    ("channel", "messages"), [("news/uk", 1), ("news/fr", 2), ("news", None), ("sport", None), ("sport/a/b", 3)]
)
def test_the_first_pattern_that_matches_counts(channel: str, messages: int | None) -> None:
    """A pattern without history takes its channels out."""
    retention = retention_of(SETTINGS, Channel(channel))
    assert (retention and retention.messages) == messages


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: one.pattern)
def test_a_setting_is_read_as_it_was_written(setting: ChannelSetting) -> None:
    """With its history, or without."""
    assert ChannelSetting.from_wire(setting.to_wire()) == setting
