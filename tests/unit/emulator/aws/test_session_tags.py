"""Session tags from role to role, by the example of Star and Heart in IAM's documentation.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_role-chaining
"""

import pytest

from tools.emulator.aws.session_tags import TagRefusedError, Tags, tags_in, tags_of

NOTHING = Tags({}, frozenset())
FIRST = Tags({"Star": "1", "Heart": "1"}, frozenset({"star", "heart"}))
"""`--tags Key=Star,Value=1 Key=Heart,Value=1 --transitive-tag-keys Star Heart`"""


def test_a_chains_first_session_has_the_tags_that_were_passed() -> None:
    """There is nothing to inherit."""
    assert NOTHING.inherited().extended_by(FIRST) == FIRST


def test_transitive_tags_are_inherited_and_stay_transitive() -> None:
    """The second session has Heart and Star, and so has the third."""
    second = FIRST.inherited().extended_by(NOTHING)
    assert second == FIRST
    assert second.inherited().extended_by(Tags({"Moon": "3"}, frozenset())).values == {**FIRST.values, "Moon": "3"}


def test_a_tag_that_is_not_transitive_ends_with_its_session() -> None:
    """Tags are not passed to subsequent sessions by default."""
    session = Tags({"Star": "1", "Sun": "2"}, frozenset({"star"}))
    assert session.inherited() == Tags({"Star": "1"}, frozenset({"star"}))


@pytest.mark.parametrize("key", ["Heart", "heart", "HEART"])
def test_an_inherited_tag_cannot_be_passed_again(key: str) -> None:
    """To pass `Heart` = `3` fails; case makes no difference."""
    with pytest.raises(TagRefusedError, match="conflicts with a transitive tag"):
        FIRST.inherited().extended_by(Tags({key: "3"}, frozenset()))


@pytest.mark.parametrize("value", ["*", "a*", "a#b", "a?", "${aws:username}", "a" * 257])
def test_a_value_outside_the_alphabet_of_tags_is_refused(value: str) -> None:
    """Its pattern is in https://docs.aws.amazon.com/STS/latest/APIReference/API_Tag.html."""
    with pytest.raises(TagRefusedError, match="not allowed"):
        NOTHING.extended_by(Tags({"tenantId": value}, frozenset()))


@pytest.mark.parametrize("value", ["", "acme", "a_b-c.d:e/f=g+h@i", "grün 7"])
def test_a_value_of_the_alphabet_is_accepted(value: str) -> None:
    """Letters, numbers, spaces and `_.:/=+-@`."""
    assert NOTHING.extended_by(Tags({"tenantId": value}, frozenset())).values == {"tenantId": value}


def test_tags_are_read_from_the_query_of_a_request() -> None:
    """In the form that the query protocol gives to lists."""
    parameters = {
        "Action": ["AssumeRole"],
        "Tags.member.1.Key": ["Star"],
        "Tags.member.1.Value": ["1"],
        "Tags.member.2.Key": ["Heart"],
        "Tags.member.2.Value": ["1"],
        "TransitiveTagKeys.member.1": ["Star"],
        "TransitiveTagKeys.member.2": ["Heart"],
    }
    assert tags_in(parameters) == FIRST
    assert tags_in({"Action": ["AssumeRole"]}) == NOTHING
    assert tags_in(
        {"Tags.member.1.Key": ["Star"], "Tags.member.2.Key": ["Heart"], "Tags.member.2.Value": ["1"]}
    ) == Tags({"Star": "", "Heart": "1"}, frozenset())
    assert tags_of([{"Key": "Star", "Value": "1"}, {"Key": "Heart", "Value": "1"}], ["Star", "Heart"]) == FIRST
