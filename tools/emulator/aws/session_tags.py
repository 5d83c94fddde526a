"""Session tags that are passed on from role to role.

A transitive tag is set and transitive in every following session. It cannot be set to another value, and it overrides a
tag of the role; names of tags do not differ by case.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_role-chaining
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_MOST_TAGS = 50
_LEGAL_VALUE = re.compile(r"[\w\s.:/=+@-]{0,256}")
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_Tag.html"""


class TagRefusedError(Exception):
    """The tags of a request are not accepted; the message says why."""


@dataclass(frozen=True)
class Tags:
    """The tags of a session, and the keys of the transitive ones."""

    values: Mapping[str, str]
    transitive: frozenset[str]

    def inherited(self) -> "Tags":
        """Return the tags that a session inherits from the session that assumes its role."""
        return Tags(
            {key: value for key, value in self.values.items() if key.lower() in self.transitive}, self.transitive
        )

    def extended_by(self, requested: "Tags") -> "Tags":
        """These, inherited, and the ones that the request sets; TagRefusedError if they contradict each other."""
        inherited = {key.lower() for key in self.values}
        if any(key.lower() in inherited for key in requested.values):
            raise TagRefusedError("One of the tag keys conflicts with a transitive tag key from the calling session.")
        if not all(_LEGAL_VALUE.fullmatch(value) for value in requested.values.values()):
            raise TagRefusedError("The value of a tag has a character that is not allowed.")
        return Tags({**self.values, **requested.values}, self.transitive | requested.transitive)


def tags_of(values: Iterable[Mapping[str, str]], transitive: Iterable[str]) -> Tags:
    """Tags as STS writes them: `Key` and `Value`, and the keys of the transitive ones."""
    return Tags({tag["Key"]: tag["Value"] for tag in values}, frozenset(key.lower() for key in transitive if key))


def tags_in(parameters: Mapping[str, Sequence[str]]) -> Tags:
    """The tags that an AssumeRole sets, in the parameters of its query; one without a value is empty."""

    def value(name: str) -> str:
        return parameters.get(name, [""])[0]

    tags = [
        {"Key": key, "Value": value(f"Tags.member.{number}.Value")}
        for number in range(1, _MOST_TAGS + 1)
        if (key := value(f"Tags.member.{number}.Key"))
    ]
    return tags_of(tags, (value(f"TransitiveTagKeys.member.{number}") for number in range(1, _MOST_TAGS + 1)))
