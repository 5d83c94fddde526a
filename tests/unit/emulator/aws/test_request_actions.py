"""Actions of IAM that requests are."""

import pytest

from tools.emulator.aws.request_actions import action_of_batch, each_statement, lambda_action, statement_action


@pytest.mark.parametrize(
    ("request_", "action"),
    [
        ("sqs:SendMessageBatch", "sqs:SendMessage"),
        ("sqs:DeleteMessageBatch", "sqs:DeleteMessage"),
        ("sqs:ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility"),
        ("sns:PublishBatch", "sns:Publish"),
        ("sqs:SendMessage", "sqs:SendMessage"),
        ("dynamodb:BatchGetItem", "dynamodb:BatchGetItem"),
    ],
)
def test_a_batch_of_messages_requires_the_action_of_one_message(request_: str, action: str) -> None:
    """DynamoDB's batches have actions of their own.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
    """
    assert action_of_batch(request_) == action


@pytest.mark.parametrize(
    ("statement", "action", "table", "index"),
    [
        ("INSERT INTO Music value {'Artist' : 'Acme Band'}", "dynamodb:PartiQLInsert", "Music", None),
        ("UPDATE Music SET AwardsWon=1 WHERE Artist='Acme Band'", "dynamodb:PartiQLUpdate", "Music", None),
        ("DELETE FROM Music WHERE Artist = 'Acme Band'", "dynamodb:PartiQLDelete", "Music", None),
        ("SELECT OrderID, Total FROM Orders WHERE OrderID = 1", "dynamodb:PartiQLSelect", "Orders", None),
        ('SELECT * FROM "TableName"."IndexName" WHERE x = 1', "dynamodb:PartiQLSelect", "TableName", "IndexName"),
        ('update "a-b.c_d"\n set x = ? where y = ?', "dynamodb:PartiQLUpdate", "a-b.c_d", None),
    ],
)
def test_a_partiql_statement_has_its_own_action(statement: str, action: str, table: str, index: str | None) -> None:
    """The statements are those of https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html."""
    assert statement_action(statement) == (action, table, index)


def test_every_statement_of_a_batch_and_of_a_transaction_counts() -> None:
    """They may be of different kinds."""
    both = [{"Statement": "DELETE FROM Music WHERE x=1"}, {"Statement": "SELECT * FROM Orders"}]
    assert list(each_statement({"Statements": both})) == both
    assert list(each_statement({"TransactStatements": both})) == both
    assert list(each_statement(both[0])) == both[:1]
    assert not list(each_statement({"TableName": "Music"}))


@pytest.mark.parametrize("statement", ["", "EXISTS(SELECT * FROM Music)", "DROP TABLE Music", "UPDATE", "FROM Music"])
def test_an_unknown_statement_is_an_error(statement: str) -> None:
    """So that it is not taken for one that is allowed."""
    with pytest.raises(ValueError, match="not read"):
        statement_action(statement)


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "/2015-03-31/functions/swarm/aliases/live", "lambda:GetAlias"),
        ("GET", "/2015-03-31/functions/swarm/aliases", "lambda:ListAliases"),
        ("GET", "/2015-03-31/functions/swarm", "lambda:GetFunction"),
        ("POST", "/2015-03-31/functions", "lambda:CreateFunction"),
        ("GET", "/2015-03-31/functions/swarm/versions", "lambda:ListVersionsByFunction"),
        ("DELETE", "/2015-03-31/event-source-mappings/a1b2/", "lambda:DeleteEventSourceMapping"),
        ("GET", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Aswarm", "lambda:ListTags"),
        ("POST", "/2015-03-31/functions/swarm/invocations", None),
        ("GET", "/elsewhere", None),
    ],
)
def test_a_request_to_lambda_is_an_operation_of_its_api(method: str, path: str, action: str | None) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html."""
    assert lambda_action(method, path) == action
