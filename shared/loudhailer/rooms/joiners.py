"""Joiners in a nickname: invisible characters that change the text around them.

A joiner that changes nothing is refused, or a name could imitate another one by it. The rules for letters are those of
domain names; both the rules and the joining types are in
https://www.rfc-editor.org/rfc/rfc5892#appendix-A.1 and https://www.unicode.org/Public/UCD/latest/ucd/extracted/DerivedJoiningType.txt.
"""

import re
import unicodedata
from collections.abc import Iterable

NON_JOINER, JOINER = "\u200c", "\u200d"

_VIRAMA = 9
"""The combining class of the sign that drops a consonant's vowel, so that it may be joined with the next consonant."""

_MARKS = {"Mn", "Me"}
_SKIN_TONES = re.compile("[\U0001f3fb-\U0001f3ff]")

_JOINS_ITS_SUCCESSOR = re.compile(
    "[\u0620\u0626\u0628\u062a-\u062e\u0633-\u063f\u0641-\u0647\u0649\u064a\u066e\u066f\u0678-\u0687"
    "\u069a-\u06bf\u06c1\u06c2\u06cc\u06ce\u06d0\u06d1\u06fa-\u06fc\u06ff\u0712-\u0714\u071a-\u071d"
    "\u071f-\u0727\u0729\u072b\u072d\u072e\u074e-\u0758\u075c-\u076a\u076d-\u0770\u0772\u0775-\u0777"
    "\u077a-\u077f\u07ca-\u07ea\u0841-\u0845\u0848\u084a-\u0853\u0855\u0860\u0862-\u0865\u0868\u0886"
    "\u0889-\u088d\u088f\u08a0-\u08a9\u08af\u08b0\u08b3-\u08b8\u08ba-\u08c8\u1807\u1820-\u1878\u1887-\u18a8"
    "\u18aa\ua840-\ua872\U00010ac0-\U00010ac4\U00010acd\U00010ad3-\U00010adc\U00010ade-\U00010ae0"
    "\U00010aeb-\U00010aee\U00010b80\U00010b82\U00010b86-\U00010b88\U00010b8a\U00010b8b\U00010b8d\U00010b90"
    "\U00010bad\U00010bae\U00010d00-\U00010d21\U00010d23\U00010ec3\U00010ec4\U00010ec6\U00010ec7"
    "\U00010ed9-\U00010eee\U00010f30-\U00010f32\U00010f34-\U00010f44\U00010f51-\U00010f53\U00010f70-\U00010f73"
    "\U00010f76-\U00010f81\U00010fb0\U00010fb2\U00010fb3\U00010fb8\U00010fbb\U00010fbc\U00010fbe\U00010fbf"
    "\U00010fc1\U00010fc4\U00010fca\U00010fcb\U0001e900-\U0001e943]"
)
"""Letters of the joining types L and D."""

_JOINS_ITS_PREDECESSOR = re.compile(
    "[\u0620\u0622-\u063f\u0641-\u064a\u066e\u066f\u0671-\u0673\u0675-\u06d3\u06d5\u06ee\u06ef\u06fa-\u06fc"
    "\u06ff\u0710\u0712-\u072f\u074d-\u077f\u07ca-\u07ea\u0840-\u0858\u0860\u0862-\u0865\u0867-\u086a"
    "\u0870-\u0882\u0886\u0889-\u088f\u08a0-\u08ac\u08ae-\u08c8\u1807\u1820-\u1878\u1887-\u18a8\u18aa"
    "\ua840-\ua871\U00010ac0-\U00010ac5\U00010ac7\U00010ac9\U00010aca\U00010ace-\U00010ad6\U00010ad8-\U00010ae1"
    "\U00010ae4\U00010aeb-\U00010aef\U00010b80-\U00010b91\U00010ba9-\U00010bae\U00010d01-\U00010d23"
    "\U00010ec2-\U00010ec4\U00010ec6\U00010ec7\U00010f30-\U00010f44\U00010f51-\U00010f54\U00010f70-\U00010f81"
    "\U00010fb0\U00010fb2-\U00010fb6\U00010fb8-\U00010fbf\U00010fc1-\U00010fc4\U00010fc9\U00010fca"
    "\U0001e900-\U0001e943]"
)
"""Letters of the joining types R and D."""

_EMOJI = (
    ("♀♂🏃🚶🦯🦼🦽🧎", "➡"),
    ("⛓", "💥"),
    ("⛹🏃🏄🏊🏋🏌👮👯👰👱👳👷💁💂💆💇🕵🙅🙆🙇🙋🙍🙎🚣🚴🚵🚶🤦🤵🤷🤸🤹🤼🤽🤾🦸🦹🧍🧎🧏🧔🧖🧗🧘🧙🧚🧛🧜🧝🧞🧟", "♀♂"),
    ("❤", "💋🩹"),
    ("❤🐦", "🔥"),
    ("❤🐰👨👩💋🤝🫯", "👩"),
    ("❤🐰👨💋🤝🫯", "👨"),
    ("❤🐰💋🤝🧑🫯", "🧑"),
    ("🍄", "🟫"),
    ("🍋", "🟩"),
    ("🏳", "⚧🌈"),
    ("🏴", "☠"),
    ("🐈🐦", "⬛"),
    ("🐕", "🦺"),
    ("🐻", "❄"),
    ("👁", "🗨"),
    ("👦👧👨👩", "👦"),
    ("👧👨👩", "👧"),
    ("👨👩🧑", "⚕⚖✈❤🌾🍳🍼🎓🎤🎨🏫🏭🐰💻💼🔧🔬🚀🚒🤝🦯🦰🦱🦲🦳🦼🦽🫯"),
    ("😮", "💨"),
    ("😵", "💫"),
    ("😶", "🌫"),
    ("🙂", "↔↕"),
    ("🧑", "🎄🩰"),
    ("🧑🧒", "🧒"),
    ("🫱", "🫲"),
)
"""Emoji that a joiner combines: the ones before it and the ones after it, without skin tones and variation selectors.
https://www.unicode.org/Public/emoji/latest/emoji-zwj-sequences.txt"""

_COMBINED = {(before, after) for firsts, lasts in _EMOJI for before in firsts for after in lasts}


def is_seen(name: str, position: int) -> bool:
    """Tell whether the character at that position is a joiner that changes the displayed text."""
    before, after = name[:position], name[position + 1 :]
    if name[position] not in {NON_JOINER, JOINER} or not before:
        return False
    if unicodedata.combining(before[-1]) == _VIRAMA:
        return True
    if name[position] == NON_JOINER:
        return bool(
            _JOINS_ITS_SUCCESSOR.match(_first_letter(reversed(before)))
            and _JOINS_ITS_PREDECESSOR.match(_first_letter(after))
        )
    return (_SKIN_TONES.sub("", before)[-1:], after[:1]) in _COMBINED


def _first_letter(text: Iterable[str]) -> str:
    """Return the first character that is no mark, which joining passes over; an empty text if there is none."""
    return next((one for one in text if unicodedata.category(one) not in _MARKS), "")
