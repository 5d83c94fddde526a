"""Signatures, against the SDK's own."""

from datetime import UTC, datetime
from random import Random
from typing import Literal
from urllib.parse import quote

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.credentials import Credentials as SdkCredentials

from loudhailer.delivery.sigv4 import Credentials, PostSigner
from loudhailer.ids import ConnectionId
from tests.unit.aws.sdk_wire import response, text

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+/=-"
ENDPOINTS = [
    "https://abcdef1234.execute-api.us-east-1.amazonaws.com/live",
    "https://abcdef1234.execute-api.us-east-1.amazonaws.com",
    "https://ws.example.com/a/deeper/path",
    "http://127.0.0.1:4510/abcdef1234/live",
    "https://example.com:8443/live",
    "https://example.com/with~tilde_and-dash.dot",
]
REGIONS = ["us-east-1", "eu-central-1", "ap-southeast-2"]


class AtMoment(SigV4Auth):
    """The SDK's signer, at a given moment."""

    def __init__(self, credentials: SdkCredentials, region: str, moment: datetime) -> None:
        super().__init__(credentials, "execute-api", region)
        self._moment = moment.strftime("%Y%m%dT%H%M%SZ")

    def signature_of(self, request: AWSRequest) -> dict[str, str]:
        """The headers that the SDK would send."""
        request.context["timestamp"] = self._moment
        self._modify_request_before_signing(request)  # type: ignore[attr-defined]  # the stubs lack it
        canonical = self.canonical_request(request)
        signature = self.signature(self.string_to_sign(request, canonical), request)
        self._inject_signature_to_request(request, signature)  # type: ignore[attr-defined]  # the stubs lack it
        return {name.lower(): value for name, value in request.headers.items()}


def test_every_signature_is_the_sdks() -> None:
    """Thousands of ids, payloads, moments, methods, regions and credentials, with a token and without one."""
    random = Random(4)  # noqa: S311  # a test repeats itself
    for _ in range(3_000):
        connection = ConnectionId("".join(random.choices(ALPHABET, k=random.randint(1, 128))))
        payload = random.randbytes(random.choice([0, 1, 50, 5_000]))
        method: Literal["POST", "DELETE"] = random.choice(["POST", "DELETE"])
        endpoint, region = random.choice(ENDPOINTS), random.choice(REGIONS)
        token = random.choice([None, "".join(random.choices(ALPHABET, k=300))])
        key, secret = f"AKIA{random.randrange(10**12)}", "".join(random.choices(ALPHABET, k=random.choice([5, 40, 70])))
        moment = datetime.fromtimestamp(random.randrange(0, 4_000_000_000), UTC)
        url, headers = (
            PostSigner(endpoint, region, payload, method)
            .at(moment.timestamp() + random.random() * 0.999, Credentials(key, secret, token))
            .sign(connection)
        )
        assert url == f"{endpoint}/@connections/{quote(connection, safe='')}"
        request = AWSRequest(method=method, url=url, data=payload)
        expected = AtMoment(SdkCredentials(key, secret, token), region, moment).signature_of(request)
        lines = (line.partition(": ") for line in headers.splitlines())
        assert {name.lower(): value for name, _, value in lines} == expected


def test_a_post_has_the_headers_that_the_sdk_sends_with_it() -> None:
    """No type among them: so a sender must not have one either, and none is signed."""
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=ENDPOINTS[0],
        region_name="us-east-1",
        aws_access_key_id="AKIA",
        aws_secret_access_key="secret",
    )
    sent: list[AWSPreparedRequest] = []

    def keep(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent.append(request)
        return response(request, 200, "")

    client.meta.events.register("before-send", keep)  # type: ignore[arg-type]  # botocore: what it returns is the answer
    client.post_to_connection(ConnectionId="a=", Data=b"frame")
    headers = {name.lower(): text(value) for name, value in sent[0].headers.items()}
    assert "content-type" not in headers
    moment = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    signer = PostSigner(ENDPOINTS[0], "us-east-1", b"frame").at(moment.timestamp(), Credentials("AKIA", "secret"))
    url, ours = signer.sign(ConnectionId("a="))
    assert url == sent[0].url
    assert f"Authorization: {headers['authorization']}" in ours


def test_one_signer_signs_any_number_of_posts() -> None:
    """A value that is computed once is not used up."""
    signer = PostSigner(ENDPOINTS[0], "us-east-1", b"frame").at(1_800_000_000, Credentials("AKIA", "secret"))
    first = signer.sign(ConnectionId("a="))
    assert signer.sign(ConnectionId("b=")) != first
    assert signer.sign(ConnectionId("a=")) == first


@pytest.mark.parametrize("letter", ALPHABET)
def test_the_path_is_escaped_once(letter: str) -> None:
    """`=`, `/` and `+` are escaped, the others are not, and `@connections` stays as it is."""
    signer = PostSigner(ENDPOINTS[0], "us-east-1", b"").at(1_800_000_000, Credentials("AKIA", "secret"))
    url, _ = signer.sign(ConnectionId(f"L{letter}="))
    escaped = {"=": "%3D", "/": "%2F", "+": "%2B"}.get(letter, letter)
    assert url == f"{ENDPOINTS[0]}/@connections/L{escaped}%3D"


def test_credentials_do_not_show_their_secrets() -> None:
    """A log line has the access key at most."""
    shown = f"{Credentials('AKIA', 'hush', 'token')!r} {Credentials('AKIA', 'hush', 'token')}"
    assert "hush" not in shown
    assert "token" not in shown
