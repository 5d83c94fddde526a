"""Mapping templates: the variables and functions that API Gateway has."""

import pytest

from tools.emulator.gateway.mapping_template import render


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("$input.body", "a b"),
        ("$context.authorizer.tenantId/$context.connectionId", "gold/c="),
        ("$stageVariables.color", "blue"),
        ("$util.urlEncode($input.body)", "a+b"),
        ("$util.urlEncode('~*-._+&é')", "%7E*-._%2B%26%C3%A9"),
        ("$util.urlDecode('a+b%26')", "a b&"),
        ("$util.base64Encode($input.body)", "YSBi"),
        ("$util.base64Decode('YSBi')", "a b"),
        ('$util.escapeJavaScript("it\'s/")', r"it\'s\/"),
        ("$util.escapeJavaScript($util.urlDecode('%0A%5C%22%F0%9F%98%80%C3%A9'))", r"\n\\\"\uD83D\uDE00\u00E9"),
        ("## a comment", ""),
    ],
)
def test_a_template_has_the_variables_of_api_gateway(template: str, text: str) -> None:
    """As its mapping template reference names them."""
    context = {"connectionId": "c=", "authorizer": {"tenantId": "gold"}}
    assert render(template, "a b", context, {"color": "blue"}) == text


def test_inserted_values_are_not_rendered_again() -> None:
    """A client cannot bring a template along."""
    assert render("$input.body", "$context.x #set($a = 1)$a", {"x": "secret"}, {}) == "$context.x #set($a = 1)$a"


def test_a_missing_value_is_rendered_as_empty() -> None:
    """SQS then refuses the attribute as empty."""
    assert render("a=$util.urlEncode($context.authorizer.tenantId)&", "", {}, {}) == "a=&"
