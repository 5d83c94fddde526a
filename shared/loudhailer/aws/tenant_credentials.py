"""Credentials of one tenant, which reach no other tenant's rows.

The function's own role has no access to tenants' tables. It may assume a second role, whose policy restricts
`dynamodb:LeadingKeys` to the session tag `tenantId`. The tag is transitive: stolen credentials cannot assume another
role with another tag:
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
"""

import socket
from collections.abc import Callable
from functools import lru_cache, partial
from threading import Lock
from typing import Any, Protocol

from botocore.awsrequest import AWSPreparedRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from loudhailer.aws.clients import CONNECT_SECONDS, POOLED_CONNECTIONS, READ_SECONDS, config
from loudhailer.aws.sdk import SdkSession, assumed_role
from loudhailer.ids import TenantId

_TAG = "tenantId"
_TENANTS = 128
"""Number of tenants whose objects are cached: each takes about a third of a MB."""

KEPT_CREDENTIALS = 4_096
"""Number of tenants whose credentials are cached: each takes about 3 KB. STS answers 600 calls a second per account and
Region:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

CREDENTIALS_SECONDS = 2_700
"""Seconds for which credentials are used. A role assumed by a role lasts at most an hour, and the SDK renews
credentials a quarter of an hour before they expire.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining"""

_SESSION_NAME_LENGTH = 64
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""

_SOCKET_OPTIONS = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]


class ClientOf(Protocol):
    """Makes clients as `loudhailer.aws.clients.client` does, for one tenant."""

    def __call__(self, service: str, *, attempts: int = 5) -> Any:
        """A client of the service."""


class PerTenant[T]:
    """Objects of one kind, one for each tenant, which `make` builds on the tenant's clients.

    Credentials are requested at a client's first call and again before they expire; without them a call fails with a
    TransientError. The objects of recently used tenants are cached, and the credentials of many more tenants. Safe for
    use by several threads.
    """

    def __init__(self, make: Callable[[ClientOf], T], *, role_arn: str) -> None:
        self._make = make
        self._role_arn = role_arn
        self._clients = _Clients()
        self._sts = self._clients.make("sts")
        self._kept = lru_cache(_TENANTS)(self._made)
        self._credentials = lru_cache(KEPT_CREDENTIALS)(self._assumed)
        # These clients belong to no tenant and are never used: they load the SDK's models, and reveal mistakes, while
        # the function starts, when Lambda gives it more CPU than later.
        make(partial(self._clients.make, credentials=Credentials("", "")))

    def of(self, tenant: TenantId) -> T:
        """Return the object that `make` built for the tenant."""
        return self._kept(tenant)

    def _made(self, tenant: TenantId) -> T:
        return self._make(partial(self._clients.make, credentials=self._credentials(tenant)))

    def _assumed(self, tenant: TenantId) -> Credentials:
        return assumed_role(
            self._sts,
            {
                "RoleArn": self._role_arn,
                "RoleSessionName": f"tenant-{tenant}"[:_SESSION_NAME_LENGTH],
                "Tags": [{"Key": _TAG, "Value": tenant}],
                "TransitiveTagKeys": [_TAG],
            },
        )


class _Clients:
    """Clients of one SDK session and one connection pool, for any credentials.

    The session keeps the SDK's models, the pool its connections and their TLS sessions, so another tenant's client is
    cheap.
    """

    def __init__(self) -> None:
        self._session = SdkSession()
        self._lock = Lock()
        self._pool = URLLib3Session(
            timeout=(CONNECT_SECONDS, READ_SECONDS),  # type: ignore[arg-type]  # the stubs know one number only
            max_pool_connections=POOLED_CONNECTIONS,
            socket_options=_SOCKET_OPTIONS,  # type: ignore[arg-type]  # as urllib3 takes them
        )

    def make(self, service: str, *, attempts: int = 5, credentials: Credentials | None = None) -> Any:
        """A client that signs with the credentials; without any, with the function's own."""
        with self._lock:
            self._session.others = credentials
            client = self._session.create_client(service, config=config(attempts))
        client.meta.events.register("before-send", self._send)
        return client

    def _send(self, request: AWSPreparedRequest, **_: object) -> Any:
        return self._pool.send(request)
