"""Audience of a broadcast, as clients write it."""

import pytest
from hypothesis import given

from loudhailer import ids
from loudhailer.broadcast import audience
from loudhailer.broadcast.audience import Audience
from loudhailer.errors import InvalidFieldError
from loudhailer.ids import TenantId
from tests.support.broadcasts import audiences


@given(audiences)
def test_every_audience_survives_the_wire(to: Audience) -> None:
    """Everyone, a tenant, a channel, a room, a player and a session are read as they were written."""
    assert audience.from_wire(audience.to_wire(to)) == to


@pytest.mark.parametrize(
    ("wire", "field"),
    [
        (None, "audience"),
        ("all", "audience"),
        ([], "audience"),
        (True, "audience"),
        ({}, "audience"),
        ({"everyone": True}, "audience"),
        ({"all": False}, "audience.all"),
        ({"all": 1}, "audience.all"),
        ({"all": "true"}, "audience.all"),
        ({"all": None}, "audience.all"),
        ({"all": True, "tenantId": "acme"}, "audience"),
        ({"all": True, "roomKey": "lobby"}, "audience"),
        ({"roomKey": "lobby"}, "audience"),
        ({"playerId": "ann"}, "audience"),
        ({"sessionId": "s1"}, "audience"),
        ({"tenantId": None}, "audience.tenantId"),
        ({"tenantId": ""}, "audience.tenantId"),
        ({"tenantId": "a#b"}, "audience.tenantId"),
        ({"tenantId": "x" * 65}, "audience.tenantId"),
        ({"tenantId": "acme", "roomKey": ""}, "audience.roomKey"),
        ({"tenantId": "acme", "roomKey": ["lobby"]}, "audience.roomKey"),
        ({"tenantId": "acme", "playerId": "a b"}, "audience.playerId"),
        ({"tenantId": "acme", "playerId": None}, "audience.playerId"),
        ({"tenantId": "acme", "sessionId": 7}, "audience.sessionId"),
        ({"tenantId": "acme", "sessionId": "x" * 65}, "audience.sessionId"),
        ({"tenantId": "acme", "roomKey": "lobby", "playerId": "ann"}, "audience"),
        ({"tenantId": "acme", "playerId": "ann", "sessionId": "s1"}, "audience"),
        ({"tenantId": "acme", "room": "lobby"}, "audience"),
        ({"tenantId": "acme", "channel": "news/*"}, "audience.channel"),
        ({"tenantId": "acme", "channel": "a//b"}, "audience.channel"),
        ({"tenantId": "acme", "channel": "room/lobby"}, "audience.channel"),
        ({"tenantId": "acme", "channel": None}, "audience.channel"),
        ({"channel": "news"}, "audience"),
        ({"tenantId": "acme", "channel": "news", "roomKey": "lobby"}, "audience"),
        ({"tenantId": "acme", "tenantid": "acme"}, "audience"),
    ],
)
def test_an_illegal_audience_is_refused_with_its_field(wire: object, field: str) -> None:
    """Anything but one audience is refused, and the field at fault is named."""
    with pytest.raises(InvalidFieldError) as refused:
        audience.from_wire(wire)
    assert refused.value.field == field


def test_a_channel_is_counted_under_each_pattern_that_matches_it() -> None:
    """A tenant is counted under one key."""
    acme = TenantId("acme")
    keys = audience.keys_of(audience.OfChannel(acme, ids.channel("a/b/c")))
    assert keys == ["acme#a/b/c", "acme#a/b/*", "acme#a/*"]
    assert audience.keys_of(audience.OfTenant(acme)) == ["acme"]
