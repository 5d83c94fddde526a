"""Headers of the page; nobody but the operator has a say in it."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, override

import pytest

import functions as package
from functions.web.console.cell_hosts import CellHosts
from functions.web.console.console import Console, Document, read_files
from functions.web.console.settings import Settings
from loudhailer import codec
from loudhailer.cells.model import CellStatus, Lease
from loudhailer.errors import ConfigurationError, TransientError
from loudhailer.ids import CellName
from loudhailer.settings import from_env
from tests.support.broadcasts import NORTH, SOUTH
from tests.support.fakes.cells import MemoryCellDirectory

FILES = read_files(Path(package.__path__[0]).parent)
CONFIGURATION = {"listTenants": True, "auth": {"session": "none", "broadcast": "iam"}}
ON_AWS = "wss://abcdefghij.execute-api.us-east-1.amazonaws.com/live"
DOMAIN = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
VARIABLES = {
    "PAGE_URL": "https://{domainName}/",
    "WEBSOCKET_URL": "wss://f6e5d4c3b2.execute-api.us-east-1.amazonaws.com/live",
    "LIST_TENANTS": "true",
    "SESSION_AUTH": "none",
    "BROADCAST_AUTH": "iam",
}

type Response = dict[str, Any]


class Markup(HTMLParser):
    """The elements of a document, each with its attributes, and the text in scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep what a script or a style holds."""
        if self.cdata_elem is not None:
            self.inline += data

    def attributes(self, name: str) -> list[str]:
        """The values of an attribute, wherever it is."""
        return [attributes[name] or "" for _, attributes in self.elements if name in attributes]


@pytest.fixture
def console() -> Console:
    """The console of an environment in AWS."""
    return console_of(FILES)


def console_of(files: dict[str, str], configuration: dict[str, Any] = CONFIGURATION) -> Console:
    """A console that serves these files."""
    return Console(
        files, configuration, page_url=VARIABLES["PAGE_URL"], websocket_url="wss://sockets.example:8443/live"
    )


def get(console: Console, route: str = "/", headers: dict[str, str] | None = None, **parameters: str) -> Response:
    """The answer to a GET of a route."""
    return console(
        {
            "routeKey": f"GET {route}",
            "rawPath": "/",
            "headers": headers or {},
            "pathParameters": parameters,
            "requestContext": {"domainName": DOMAIN, "apiId": "a1b2c3d4e5"},
        }
    )


def get_part(
    console: Console, file: str, version: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """The answer to a GET of a part, under the version that the page names."""
    named = re.findall(r'"assets/([0-9a-f]+)/', get(console)["body"])
    return get(console, "/assets/{version}/{file}", headers, version=version or named[0], file=file)


def test_the_page_is_html_that_is_revalidated_at_every_visit(console: Console, counted: Counter[str]) -> None:
    """A release is seen at once, and the visit is counted."""
    response = get(console)
    assert response["statusCode"] == 200
    assert response["headers"]["content-type"] == "text/html; charset=utf-8"
    assert response["headers"]["cache-control"] == "no-cache"
    assert response["body"].startswith("<!doctype html>")
    assert counted["PageServed"] == 1


def test_every_part_named_by_the_page_is_cached_for_ever(console: Console) -> None:
    """Under a version that changes with any of them, so that nothing is asked for twice."""
    page = Markup(get(console)["body"])
    named = {link for link in page.attributes("href") + page.attributes("src") if link.startswith("assets/")}
    assert {link.rpartition("/")[2] for link in named} == {"app.js", "icon.svg", "style.css"}
    for link in named:
        _, version, file = link.split("/")
        response = get_part(console, file, version)
        assert (response["statusCode"], response["body"]) == (200, FILES[file])
        assert response["headers"]["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("file", "content_type"),
    [
        ("app.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_a_part_has_its_content_type(console: Console, file: str, content_type: str) -> None:
    """With nosniff, a wrong type would not be taken."""
    assert get_part(console, file)["headers"]["content-type"] == content_type


def test_every_module_that_a_module_imports_is_served(console: Console) -> None:
    """They are beside each other, under one version."""
    imported = {
        name for file, text in FILES.items() if file.endswith(".js") for name in re.findall(r'from "\./(.+?)"', text)
    }
    assert {"frames.js", "loudhailer.js", "connection.js"} <= imported
    assert {get_part(console, name)["statusCode"] for name in imported} == {200}


def test_the_page_parses_frames_without_losing_digits(console: Console) -> None:
    """Integers beyond 2^53 are shown as their sender wrote them; `frames.test.mjs` has the values."""
    assert "connect((question) => api.openSession(session, question), { parse })" in get_part(console, "app.js")["body"]


def test_no_module_of_the_page_hides_one_of_the_client() -> None:
    """Both are served from one folder, so a name is used once."""
    root = Path(package.__path__[0]).parent
    page, client = root / "functions/web/console/page", root / "clients/javascript/src"
    assert {path.name for path in page.iterdir()} & {path.name for path in client.iterdir()} == set()


@pytest.mark.parametrize("file", ["absent.js", "index.html", "..", "../handler.py", "app.js\x00", ""])
def test_an_unknown_part_is_not_found(console: Console, file: str) -> None:
    """A name is looked up among what was read at init: it is never a path."""
    response = get_part(console, file)
    assert (response["statusCode"], codec.decode(response["body"])) == (404, {"message": "Not Found"})
    assert response["headers"]["content-type"] == "application/json"
    assert response["headers"]["cache-control"] == "no-store"
    assert response["headers"]["x-content-type-options"] == "nosniff"


def test_a_part_of_another_version_is_not_found(console: Console) -> None:
    """It would be kept for ever under that version's name."""
    assert get_part(console, "app.js", "0123456789abcdef")["statusCode"] == 404


def test_a_change_in_any_part_is_a_new_version() -> None:
    """An import names no version of its own."""
    pages = [get(console_of(FILES | {"api.js": text}))["body"] for text in ("1", "2")]
    assert pages[0] != pages[1]


@pytest.mark.parametrize("header", ["{}", "W/{}", '"other", {}', "*"])
@pytest.mark.parametrize("file", [None, "app.js"])
def test_an_unchanged_part_is_not_sent_again(console: Console, file: str | None, header: str) -> None:
    """A 304 has the validator and the policies, and no body."""

    def ask(headers: dict[str, str] | None = None) -> Response:
        return get(console, headers=headers) if file is None else get_part(console, file, headers=headers)

    whole = ask()
    headers = {"if-none-match": header.format(whole["headers"]["etag"])}
    response = ask(headers)
    assert (response["statusCode"], "body" in response) == (304, False)
    assert response["headers"].items() <= whole["headers"].items()
    assert response["headers"].keys() >= {"etag", "cache-control", "content-security-policy"}


def test_an_outdated_part_is_sent_again(console: Console) -> None:
    """The client's validator differs."""
    assert get(console, headers={"if-none-match": '"0123456789abcdef"'})["statusCode"] == 200


def test_the_policy_admits_the_pages_own_host_and_its_sockets_only(console: Console) -> None:
    """No inline script or style, no frame around it, no form that leaves it, no markup made of a text."""
    policy = dict(
        directive.split(" ", 1) for directive in get(console)["headers"]["content-security-policy"].split("; ")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self' wss://sockets.example:8443",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_with_further_cells_the_policy_admits_their_hosts() -> None:
    """The page follows its session to whichever cell it is placed on; the hosts may change while the function runs."""
    hosts = ["wss://klmnopqrst.execute-api.eu-west-1.amazonaws.com"]
    console = Console(
        FILES, CONFIGURATION, page_url=VARIABLES["PAGE_URL"], websocket_url=ON_AWS, cell_hosts=lambda: hosts
    )
    for _ in range(2):
        sources = " ".join(["'self'", "wss://abcdefghij.execute-api.us-east-1.amazonaws.com", *hosts])
        assert f"connect-src {sources};" in get(console)["headers"]["content-security-policy"]
        hosts.append("wss://uvwxyzabcd.execute-api.eu-west-1.amazonaws.com")


class Directory(MemoryCellDirectory):
    """The leases of cells; counts how often they are read, and may be down."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.is_down = False

    @override
    def statuses(self, cells: Collection[CellName]) -> Mapping[CellName, CellStatus]:
        self.reads += 1
        if self.is_down:
            raise TransientError("the directory is down")
        return super().statuses(cells)

    def speak(self, cell: CellName, url: str) -> None:
        """A cell renews its lease."""
        self.renew(cell, Lease(at=1, is_well=True, websocket_url=url, connections=0, tenant_revision=1))


def test_a_page_may_connect_to_the_host_that_a_cell_names() -> None:
    """Until it names one, and if that is not one of its Region, to the APIs of its Region."""
    directory, now = Directory(), [0.0]
    hosts = CellHosts(directory, {NORTH: "eu-west-1", SOUTH: "us-east-1"}, ON_AWS, clock=lambda: now[-1])
    regional = ["wss://*.execute-api.eu-west-1.amazonaws.com", "wss://*.execute-api.us-east-1.amazonaws.com"]
    assert hosts() == regional
    directory.speak(NORTH, "wss://klmnopqrst.execute-api.eu-west-1.amazonaws.com/live")
    directory.speak(SOUTH, "wss://evil.example/live")
    now.append(9.9)
    assert (hosts(), directory.reads) == (regional, 1)
    now.append(10.0)
    assert hosts() == [regional[1], "wss://klmnopqrst.execute-api.eu-west-1.amazonaws.com"]


@pytest.mark.parametrize("knows", [True, False])
def test_the_page_keeps_the_known_hosts_while_the_directory_is_down(*, knows: bool) -> None:
    """Or may connect to the Regions' APIs."""
    directory, now = Directory(), [0.0]
    directory.speak(NORTH, "ws://127.0.0.1:2/north/live")
    hosts = CellHosts(directory, {NORTH: "us-east-1"}, "ws://127.0.0.1:1/hub/live", clock=lambda: now[-1])
    if knows:
        hosts()
    directory.is_down = True
    now.append(10.0)
    assert hosts() == (["ws://127.0.0.1:2"] if knows else ["ws://127.0.0.1:*"])


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("strict-transport-security", "max-age=31536000"),
    ],
)
def test_every_answer_has_the_security_headers(console: Console, header: str, value: str) -> None:
    """The page's, a part's, the QR code's."""
    for response in (get(console), get_part(console, "app.js"), get(console, "/qr.svg")):
        assert response["headers"][header] == value
        assert "microphone=()" in response["headers"]["permissions-policy"]


def test_the_page_works_within_its_security_policy(console: Console) -> None:
    """No script or style in it, no handler in an attribute, every address relative: it may be under any path."""
    page = Markup(get(console)["body"])
    assert page.inline == ""
    assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []
    assert page.attributes("style") == []
    links = page.attributes("href") + page.attributes("src")
    assert [link for link in links if re.match(r"/|[a-z]+:", link)] == []


def test_every_field_has_a_label(console: Console) -> None:
    """Each is in its label, so that screen readers name it."""
    body = re.sub(r"<label\b.*?</label>", "", get(console)["body"], flags=re.DOTALL)
    assert [tag for tag, _ in Markup(body).elements if tag in {"input", "select", "textarea"}] == []


def test_the_configuration_is_escaped() -> None:
    """Whatever it holds, it stays the value of an attribute."""
    hostile = {"listTenants": "\"><script>alert('1')</script>&amp;$assets"}
    page = Markup(get(console_of(FILES, hostile))["body"])
    [meta] = [attributes for _, attributes in page.elements if attributes.get("name") == "configuration"]
    assert codec.decode(str(meta["content"])) == hostile
    assert page.inline == ""


def test_the_qr_code_leads_to_the_page_for_any_request(console: Console) -> None:
    """Its address is API Gateway's; host, query and path of the request change nothing."""
    plain = get(console, "/qr.svg")
    assert plain["headers"]["content-type"] == "image/svg+xml"
    assert "<svg" in plain["body"]
    event = {
        "routeKey": "GET /qr.svg",
        "rawPath": "/evil.example/qr.svg",
        "rawQueryString": "text=https://evil.example",
        "queryStringParameters": {"text": "https://evil.example"},
        "headers": {"host": "evil.example", "x-forwarded-host": "evil.example"},
        "requestContext": {"domainName": DOMAIN, "apiId": "a1b2c3d4e5"},
    }
    assert console(event) == plain


def test_the_qr_code_is_that_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """In AWS by the domain, locally by the API's id."""
    encoded = []

    def encode(address: str) -> Document:
        encoded.append(address)
        return Document.of("qr.svg", "")

    monkeypatch.setattr("functions.web.console.console._qr_code", encode)
    for page_url in ("https://{domainName}/", "http://127.0.0.1:4566/_aws/execute-api/{apiId}/"):
        get(Console(FILES, {}, page_url=page_url, websocket_url="ws://127.0.0.1:8001/a/live"), "/qr.svg")
    assert encoded == [f"https://{DOMAIN}/", "http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4e5/"]


def test_an_empty_environment_is_reported_completely() -> None:
    """One message lists every variable."""
    with pytest.raises(ConfigurationError) as caught:
        from_env(Settings, {})
    assert [name for name in VARIABLES if f"{name} is missing" not in str(caught.value)] == []


def test_the_environment_that_terraform_sets_is_enough() -> None:
    """Every field has its variable; a kind of authorisation that does not exist is refused."""
    assert from_env(Settings, VARIABLES).page_url == VARIABLES["PAGE_URL"]
    with pytest.raises(ConfigurationError, match="SESSION_AUTH must be none, iam or jwt"):
        from_env(Settings, VARIABLES | {"SESSION_AUTH": "basic"})
