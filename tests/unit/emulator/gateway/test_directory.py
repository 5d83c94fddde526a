"""When the APIs are read, and what survives a reading."""

import asyncio

import pytest

from tools.emulator.gateway.api import Api, Directory, Route, Stage, Throttle


class FakeSource:
    """APIs that the test sets, and how often they were read."""

    def __init__(self, *apis: Api) -> None:
        self.apis = list(apis)
        self.loads = 0
        self.error: Exception | None = None

    def load(self) -> list[Api]:
        """Count, and fail if the test wants it."""
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


async def test_a_known_api_is_never_looked_up() -> None:
    """Whatever the number of requests."""
    source = FakeSource(api("one"))

    directory = started(source)
    await directory.reload()
    for _ in range(100):
        assert await directory.resolve("one", "live")
    assert source.loads == 1


async def test_an_unknown_api_is_looked_up_and_found() -> None:
    """It may have been made since."""
    source = FakeSource()

    directory = started(source)
    await directory.reload()
    source.apis.append(api("new"))
    assert directory.find("new", "live") is None
    found = await directory.resolve("new", "live")
    assert found is not None
    assert found.api.api_id == "new"
    assert await directory.resolve("nowhere", "live") is None
    assert source.loads == 3


async def test_concurrent_requests_for_an_unknown_api_share_one_lookup() -> None:
    """A hundred requests at once are one reading."""
    source = FakeSource()

    directory = started(source)
    found = await asyncio.gather(*(directory.resolve("nowhere", "live") for _ in range(100)))
    assert found == [None] * 100
    assert source.loads == 1


async def test_a_second_lookup_waits_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers cannot make the gateway read AWS all the time; and nobody is refused by a look that is too old."""
    source = FakeSource()
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    times = [100.0]
    directory = Directory(source, lambda: times[-1])
    await directory.reload()
    source.apis.append(api("new"))
    times.append(100.25)
    assert await directory.resolve("new", "live")
    assert pauses == [0.75]
    assert source.loads == 2


async def test_a_reload_keeps_the_buckets_of_unchanged_routes() -> None:
    """Else every reload would fill them."""
    throttle = Throttle(0.0, 1)
    source = FakeSource(api("same", "echo", throttle=throttle), api("other", "echo", throttle=throttle))

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


async def test_connections_of_a_deleted_api_keep_their_routes() -> None:
    """Their `$disconnect` still has a route."""
    source = FakeSource(api("gone", "$disconnect"))

    directory = Directory(source, lambda: 0.0)
    await directory.reload()
    deployment = directory.find("gone", "live")
    assert deployment is not None
    source.apis = []
    await directory.reload()
    assert directory.find("gone", "live") is None
    assert directory.current(deployment) is deployment


async def test_a_failed_lookup_is_retried_by_the_next_request() -> None:
    """The cached APIs are still served."""
    source = FakeSource(api("known"))

    directory = started(source)
    await directory.reload()
    source.error = ConnectionError("AWS is away")
    with pytest.raises(ConnectionError):
        await directory.resolve("new", "live")
    assert directory.find("known", "live") is not None
    source.error = None
    source.apis.append(api("new"))
    assert await directory.resolve("new", "live")
