"""JSON that is legal and still refused, and the reason that its sender gets."""

NOT_FINITE = "has a number beyond the range of double precision, such as 1E400"
LONE_SURROGATE = "has an escape that is half of a surrogate pair, such as \\ud800"
TOO_DEEP = "is nested more than 1,024 levels deep"

UNSUPPORTED = [
    ("1E400", NOT_FINITE),
    ("-1e400", NOT_FINITE),
    ("9" * 400, NOT_FINITE),
    ("9" * 5_000, NOT_FINITE),
    ('"\\ud800"', LONE_SURROGATE),
    ('"\\udc00\\ud800"', LONE_SURROGATE),
    ('{"\\udc00":1}', LONE_SURROGATE),
    ("[" * 2_000 + "]" * 2_000, TOO_DEEP),
    ("[" * 15_000 + "]" * 15_000, TOO_DEEP),
    ("[" * 60_000 + "]" * 60_000, TOO_DEEP),
]
"""A JSON value as it is written, and the reason."""
