"""When the APIs are read, and what survives a reading."""

import asyncio

import pytest

from tools.gateway.api import Api, Directory, Route, Stage, Throttle


class FakeSource:
    """APIs that the test sets, and how often they were read."""

    def __init__(self, *apis: Api) -> None:
        self.apis = list(apis)
        self.loads = 0
        self.error: Exception | None = None

    def load(self) -> list[Api]:
        """Count, and fail if told to."""
        self.loads += 1
        if self.error:
            raise self.error
        return self.apis


def api(api_id: str, *route_keys: str, throttle: Throttle | None = None) -> Api:
    """An API with one stage."""
    routes = {key: Route(key) for key in route_keys}
    return Api(api_id, "111111111111", "us-east-1", ("action",), routes, {"live": Stage("live", {}, throttle)})


def started(source: FakeSource) -> Directory:
    """A directory that has read once, a second ago and more."""
    times = iter(range(0, 10_000, 2))
    return Directory(source, lambda: float(next(times)))


def test_a_known_api_is_never_looked_up() -> None:
    """Whatever the number of requests."""
    source = FakeSource(api("one"))

    async def scenario() -> None:
        directory = started(source)
        await directory.reload()
        for _ in range(100):
            assert await directory.resolve("one", "live")

    asyncio.run(scenario())
    assert source.loads == 1


def test_an_unknown_api_is_looked_up_and_found() -> None:
    """It may have been made since."""
    source = FakeSource()

    async def scenario() -> None:
        directory = started(source)
        await directory.reload()
        source.apis.append(api("new"))
        assert directory.find("new", "live") is None
        found = await directory.resolve("new", "live")
        assert found is not None
        assert found.api.api_id == "new"
        assert await directory.resolve("nowhere", "live") is None

    asyncio.run(scenario())
    assert source.loads == 3


def test_a_crowd_at_an_unknown_api_shares_one_look() -> None:
    """A hundred requests at once are one reading."""
    source = FakeSource()

    async def scenario() -> None:
        directory = started(source)
        found = await asyncio.gather(*(directory.resolve("nowhere", "live") for _ in range(100)))
        assert found == [None] * 100

    asyncio.run(scenario())
    assert source.loads == 1


def test_a_second_look_waits_until_a_second_has_passed() -> None:
    """Strangers cannot make the gateway read AWS all the time; and nobody is refused by a look that is too old."""
    source = FakeSource()

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        directory = Directory(source, loop.time)
        await directory.reload()
        source.apis.append(api("new"))
        before = loop.time()
        assert await directory.resolve("new", "live")
        return loop.time() - before

    assert 0.9 < asyncio.run(scenario()) < 5
    assert source.loads == 2


def test_a_reload_keeps_the_buckets_of_what_has_not_changed() -> None:
    """Else every reload would fill them."""
    throttle = Throttle(0.0, 1)
    source = FakeSource(api("same", "echo", throttle=throttle), api("other", "echo", throttle=throttle))

    async def scenario() -> None:
        directory = Directory(source, lambda: 0.0)
        await directory.reload()
        same, other = directory.find("same", "live"), directory.find("other", "live")
        assert same is not None
        assert other is not None
        assert same.admits("echo")
        assert other.admits("echo")
        source.apis = [api("same", "echo", throttle=throttle), api("other", "echo", "new", throttle=throttle)]
        await directory.reload()
        assert directory.deployments() == [("other", "live"), ("same", "live")]
        assert directory.current(same) is same
        assert not same.admits("echo")
        assert directory.current(other) is not other
        assert "new" in directory.current(other).api.routes

    asyncio.run(scenario())


def test_connections_of_a_deleted_api_keep_what_they_had() -> None:
    """Their `$disconnect` still has a route."""
    source = FakeSource(api("gone", "$disconnect"))

    async def scenario() -> None:
        directory = Directory(source, lambda: 0.0)
        await directory.reload()
        deployment = directory.find("gone", "live")
        assert deployment is not None
        source.apis = []
        await directory.reload()
        assert directory.find("gone", "live") is None
        assert directory.current(deployment) is deployment

    asyncio.run(scenario())


def test_a_failed_reading_is_tried_again_by_the_next_who_asks() -> None:
    """And what was known is still served."""
    source = FakeSource(api("known"))

    async def scenario() -> None:
        directory = started(source)
        await directory.reload()
        source.error = ConnectionError("AWS is away")
        with pytest.raises(ConnectionError):
            await directory.resolve("new", "live")
        assert directory.find("known", "live") is not None
        source.error = None
        source.apis.append(api("new"))
        assert await directory.resolve("new", "live")

    asyncio.run(scenario())
