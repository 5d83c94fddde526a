"""Questions about the endpoints: that of `@connections`, and the HTTP API."""

from tools.probe.own_api import OPEN
from tools.probe.question import UNDECIDED, Answer, Need, Question
from tools.probe.site import Site
from tools.probe.wire import Wire, request_bytes

_NOT_FOUND = 404


async def _keep_alive(site: Site) -> Answer:
    """Ask once over a connection, then wait for the server to close it."""
    async with await site.visitor() as visitor:
        connection = visitor.connection_id
    url = site.connection_url(OPEN, connection)
    async with await Wire.to(url) as wire:
        status = await wire.status(request_bytes("GET", url, site.sign))
        closed = await wire.closed_within(site.pace.reuse_seconds)
    seen = {"status": status, "closedAfterSeconds": None if closed is None else round(closed, 1)}
    return Answer("118 s or longer" if closed is None else "shorter than 118 s", seen)


KEEP_ALIVE = Question(
    name="keep-alive",
    asks="How long does the endpoint of @connections keep an idle HTTP connection open?",
    asked="One request; then the connection is left alone for 118 seconds, up to which age libcurl uses it again.",
    read="The server closes the connection in that time, or does not.",
    assumes="118 s or longer",
    stand_in="118 s or longer",
    changes={
        "118 s or longer": "Nothing.",
        "shorter than 118 s": "The senders set libcurl's MAXAGE_CONN below that time, so that no post goes into a "
        "connection that is being closed.",
    },
    needs=Need.API,
    seconds=120,
    messages=3,
    is_long=True,
    ask=_keep_alive,
)


async def _http2(site: Site) -> Answer:
    """Offer HTTP/2 and HTTP/1.1 in the TLS handshake."""
    async with await Wire.to(site.connection_url(OPEN, "none"), ["h2", "http/1.1"]) as wire:
        chosen = wire.protocol
    return Answer("yes" if chosen == "h2" else "no", {"protocol": chosen})


HTTP2 = Question(
    name="http2",
    asks="Does the endpoint of @connections speak HTTP/2?",
    asked="A TLS handshake that offers HTTP/2 and HTTP/1.1, without a request.",
    read="The protocol that the server chooses.",
    assumes="no",
    stand_in="no",
    changes={
        "no": "Nothing.",
        "yes": "The senders may send many posts over one connection: the 900 descriptors bound a worker no more.",
    },
    needs=Need.API,
    seconds=1,
    messages=0,
    ask=_http2,
)


async def _slashes(site: Site) -> Answer:
    """Ask for a path that exists, with a slash more in front of it, and with one behind it, unsigned."""
    paths = {"double": "//session", "trailing": "/session/"}
    seen = {name: (await site.request("PUT", site.http_url + path)).status for name, path in paths.items()}
    right = (await site.request("PUT", f"{site.http_url}/session")).status
    if right == _NOT_FOUND:
        return Answer(UNDECIDED, seen | {"right": right})
    taken = [name for name, status in seen.items() if status != _NOT_FOUND]
    return Answer(" and ".join(taken) or "neither", seen | {"right": right})


SLASHES = Question(
    name="slashes",
    asks="Does an HTTP API take a path with a double or a trailing slash for the route without it?",
    asked="`PUT //session` and `PUT /session/`, unsigned and without parameters, so that nothing can come of it.",
    read="404 means that no route matched; any other status means that the path matched the route.",
    assumes="double",
    stand_in="double",
    changes={
        "double": "Nothing.",
        "neither": "The local HTTP API must not take `//session` for `/session`.",
        "trailing": "The local HTTP API must do so. `session_api` refuses a request without claims already.",
        "double and trailing": "The same.",
    },
    needs=Need.TENANT,
    seconds=2,
    messages=0,
    ask=_slashes,
)
