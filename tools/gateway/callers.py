"""Who signed a request: the account behind the access key in a SigV4 `Authorization` header.

The signature itself is not verified. Locally a root access key is its account's id; for a role's session keys STS is
asked: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html
"""

import asyncio
import re
from typing import Protocol

import boto3
from botocore.exceptions import BotoCoreError, ClientError

_SCOPE = re.compile(
    rb"AWS4-HMAC-SHA256 +Credential=(?P<key>[A-Za-z0-9]+)/\d{8}/[a-z0-9-]+/execute-api/aws4_request,"
    rb" *SignedHeaders=[^,]+, *Signature=[0-9a-f]{64}"
)
_ACCOUNT_ID = re.compile(r"\d{12}")
NOBODY = ""


class AccessKeys(Protocol):
    """Knows the account of an access key."""

    def account_of(self, access_key: str) -> str | None:
        """The account, or none for a key that is not valid; may block."""


class StsAccessKeys:
    """Asks STS."""

    def __init__(self, endpoint: str, region: str, account: str) -> None:
        self._client = boto3.client(
            "sts",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key=account,
        )

    def account_of(self, access_key: str) -> str | None:
        """The account, or none for a key that STS does not know."""
        try:
            return self._client.get_access_key_info(AccessKeyId=access_key)["Account"]
        except (ClientError, BotoCoreError):
            return None


class Callers:
    """Remembers the account of each access key, so that a post costs one look into a dictionary."""

    def __init__(self, access_keys: AccessKeys) -> None:
        self._access_keys = access_keys
        self._accounts: dict[str, str] = {}

    def known(self, authorization: bytes) -> str | None:
        """The caller's account, NOBODY for a header that is no SigV4 for execute-api, none when STS must be asked."""
        found = _SCOPE.fullmatch(authorization)
        if not found:
            return NOBODY
        access_key = found["key"].decode()
        return access_key if _ACCOUNT_ID.fullmatch(access_key) else self._accounts.get(access_key)

    async def resolve(self, authorization: bytes) -> str:
        """The caller's account, or NOBODY."""
        account = self.known(authorization)
        if account is None:
            access_key = _SCOPE.fullmatch(authorization)["key"].decode()  # type: ignore[index]
            account = await asyncio.to_thread(self._access_keys.account_of, access_key)
            if account is None:
                return NOBODY
            self._accounts[access_key] = account
        return account
