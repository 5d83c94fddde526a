"""Legal and illegal nicknames."""

import pytest

from loudhailer.errors import InvalidFieldError
from loudhailer.rooms.model import membership_of, nickname


@pytest.mark.parametrize(
    "name",
    [
        *("A", "x" * 64, "Zoë", "李雷", "a b", "<script>"),
        *("می\u200cرم", "مُ\u200cر", "क्\u200cष", "क्\u200dष"),
        *("👩\u200d🚀", "👩🏽\u200d🚀", "👨\u200d👩\u200d👧", "❤\u200d🔥", "🏳\u200d🌈 Ann"),
    ],
    # Without backslashes, as below.
    ids=lambda text: ascii(text).replace("\\", ""),
)
def test_common_nicknames_are_legal(name: str) -> None:
    """In any script, with the joiners that Persian, Hindi and emoji need; what is markup elsewhere is text here."""
    assert nickname(name) == name


def test_blanks_around_a_nickname_are_removed() -> None:
    """They count for nothing."""
    assert nickname(f" {'x' * 64}\n") == "x" * 64


@pytest.mark.parametrize(
    "name",
    [
        None,
        5,
        ["Ann"],
        {"name": "Ann"},
        "",
        "   \t\n",
        "x" * 65,
        "a\nb",
        "a\x00b",
        "a\x7fb",
        "a\u2028b",
        "a\ud800b",
        "\u202enna",
        "\u2066Ann",
        "\u200b",
        "\u200d\u200d",
        "\u0301",
    ],
)
def test_unreadable_nicknames_are_refused(name: object) -> None:
    """No text, too long, control characters, changes of direction, nothing visible; the field is named."""
    with pytest.raises(InvalidFieldError) as refusal:
        nickname(name)
    assert refusal.value.field == "nickName"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "must be 1 to 64 characters"),
        ("x" * 65, "must be 1 to 64 characters"),
        ("a\nb", "must have no control characters"),
        ("\u200b", "must have a visible character"),
        ("\u3164", "must have a visible character"),
        ("\u2800\u2800", "must have a visible character"),
        ("\uffa0 \u00ad", "must have a visible character"),
        ("Ann\u200b", "must have no invisible characters"),
        ("A\u00adnn", "must have no invisible characters"),
        ("A\u200dnn", "must have no invisible characters"),
        ("Ann\u2800", "must have no invisible characters"),
        ("An\u3164n", "must have no invisible characters"),
        ("Ann\U000e0041", "must have no invisible characters"),
        ("मी\u200dरा", "must have no invisible characters"),
        ("\u0639\u200d\u0644\u064a", "must have no invisible characters"),
        ("\u2600\u200d\u2600", "must have no invisible characters"),
        ("🚀\u200d👩", "must have no invisible characters"),
        ("👩\u200d", "must have no invisible characters"),
        ("\u062f\u200c\u06cc", "must have no invisible characters"),
        ("\u06cc\u200c", "must have no invisible characters"),
        ("\u06cc\u200cA", "must have no invisible characters"),
        ("\u200c\u06ccA", "must have no invisible characters"),
        ("मी\u200d", "must have no invisible characters"),
        ("\u200dमी", "must have no invisible characters"),
        ("मी\u200d\u200dरा", "must have no invisible characters"),
        ("👩\u200d🚀\u2060", "must have no invisible characters"),
        ("\u0301", "must have a visible character"),
    ],
    # Without backslashes: in a second run in one process, which mutmut makes, pytest would escape them once more.
    ids=lambda text: ascii(text).replace("\\", ""),
)
def test_a_refused_nickname_has_a_reason(name: str, reason: str) -> None:
    """In one sentence, without the name."""
    with pytest.raises(InvalidFieldError) as refusal:
        nickname(name)
    assert refusal.value.reason == reason


def test_a_row_without_a_room_has_no_membership() -> None:
    """Whatever else it says."""
    assert membership_of({"nickName": {"S": "Ann"}}) is None


def test_variation_selectors_do_not_belong_to_a_nickname() -> None:
    """A heart is a heart, whichever of its two looks is asked for."""
    assert nickname("❤\ufe0f Ann") == nickname("❤\ufe0e Ann") == "❤ Ann"
