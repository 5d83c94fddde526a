"""A function without its environment says everything that it misses."""

from dataclasses import fields
from typing import Any

import pytest

from functions.accounting.settings import Settings as AccountingSettings
from functions.authorizer.settings import Settings as AuthorizerSettings
from functions.connect.settings import Settings as ConnectSettings
from functions.disconnect.settings import Settings as DisconnectSettings
from functions.end_session.settings import Settings as EndSessionSettings
from functions.reconcile.settings import Settings as ReconcileSettings
from functions.session_api.settings import Settings as SessionApiSettings
from loudhailer.errors import ConfigurationError
from loudhailer.settings import from_env

VALUES = {
    "TENANTS_TABLE": "loudhailer-local-tenants",
    "SESSIONS_TABLE": "loudhailer-local-sessions",
    "CONNECTIONS_TABLE": "loudhailer-local-connections",
    "PARTITIONS_TABLE": "loudhailer-local-partitions",
    "LIMITS_TABLE": "loudhailer-local-limits",
    "BROADCASTS_TABLE": "loudhailer-local-broadcasts",
    "CONNECTIONS_PER_PARTITION": "1000",
    "MAX_PARTITIONS": "2500",
    "WEBSOCKET_URL": "wss://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/live",
    "CALLBACK_ENDPOINT": "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/live",
    "LIST_TENANTS": "false",
    "TENANT_CLAIM": "custom:tenant_id",
    "TENANT_ROLE_ARN": "arn:aws:iam::111111111111:role/loudhailer-local-connect-tenant",
    "ACCOUNTING_FAILURE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111111111111/accounting-failure",
}

EVERY = pytest.mark.parametrize(
    "settings",
    [
        AccountingSettings,
        AuthorizerSettings,
        ConnectSettings,
        DisconnectSettings,
        EndSessionSettings,
        ReconcileSettings,
        SessionApiSettings,
    ],
    ids=lambda settings: settings.__module__.split(".")[1],
)


@EVERY
def test_an_empty_environment_is_reported_whole(settings: type[Any]) -> None:
    """One message lists every variable."""
    with pytest.raises(ConfigurationError) as caught:
        from_env(settings, {})
    for field in fields(settings):
        assert f"{field.name.upper()} is missing" in str(caught.value)


@EVERY
def test_the_environment_that_terraform_sets_is_enough(settings: type[Any]) -> None:
    """Every field has its variable."""
    read = from_env(settings, VALUES)
    for field in fields(settings):
        assert str(getattr(read, field.name)).lower() == VALUES[field.name.upper()]
