"""Settings of a function: a frozen dataclass read from the environment, every bad variable reported at once.

A field `chunk_size: Annotated[int, integer(1, 500)]` is read from `CHUNK_SIZE`. A field with a default is optional.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_type_hints

from loudhailer import codec, ids
from loudhailer.errors import ConfigurationError, InvalidFieldError

type Parser[T] = Callable[[str], T]


def matching(pattern: str, form: str) -> Parser[str]:
    """A parser of texts that match the pattern as a whole; `form` says what is legal."""
    grammar = re.compile(pattern)

    def parse(text: str) -> str:
        if grammar.fullmatch(text) is None:
            raise ValueError(f"must be {form}")
        return text

    return parse


def integer(minimum: int, maximum: int) -> Parser[int]:
    """A parser of whole numbers within bounds, both included."""

    def parse(text: str) -> int:
        if re.fullmatch(r"-?[0-9]{1,18}", text) is None or not minimum <= int(text) <= maximum:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def decimal(minimum: float, maximum: float) -> Parser[float]:
    """A parser of decimal numbers within bounds, both included."""

    def parse(text: str) -> float:
        if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", text) is None or not minimum <= float(text) <= maximum:
            raise ValueError(f"must be a number from {minimum:g} to {maximum:g}")
        return float(text)

    return parse


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text == "true"


_url = matching(r"(https?|wss?)://[^\s/]+(/\S*)?", "a URL")


def _list(text: str) -> list[Any] | None:
    try:
        value = codec.decode(text)
    except codec.NotJsonError:
        return None
    return value if isinstance(value, list) else None


def _urls(text: str) -> tuple[str, ...]:
    urls = _list(text)
    if not urls or not all(isinstance(url, str) for url in urls):
        raise ValueError("must be a JSON list of URLs")
    return tuple(_url(url) for url in urls)


def _tenants(text: str) -> tuple[ids.TenantId, ...]:
    try:
        return tuple(map(ids.tenant_id, _list(text)))  # type: ignore[arg-type]  # None is refused likewise
    except (InvalidFieldError, TypeError) as error:
        raise ValueError("must be a JSON list of tenants' ids") from error


def _shares(text: str) -> dict[str, float]:
    try:
        shares = codec.decode(text)
    except codec.NotJsonError:
        shares = None
    if not isinstance(shares, dict) or not all(
        isinstance(share, int | float) and 0 < share <= 1 for share in shares.values()
    ):
        raise ValueError("must be a JSON object of shares above 0")
    if not math.isclose(sum(shares.values()), 1):
        raise ValueError("must be shares that are 1 together")
    return shares


TableName = Annotated[str, matching(r"[A-Za-z0-9_.-]{3,255}", "the name of a DynamoDB table")]
Arn = Annotated[str, matching(r"arn:aws[a-z-]*:\S+", "an ARN")]
Url = Annotated[str, _url]
Urls = Annotated[tuple[str, ...], _urls]
Flag = Annotated[bool, _flag]
Auth = Annotated[str, matching("none|iam|jwt", "none, iam or jwt")]
Tenants = Annotated[tuple[ids.TenantId, ...], _tenants]
Share = Annotated[float, decimal(0.01, 1)]
Shares = Annotated[Mapping[str, float], _shares]


def _parser(hint: Any) -> Parser[Any]:
    """The parser of `Annotated[type, parser]`, or of that in `Annotated[type, parser] | None`."""
    annotated = hint if hasattr(hint, "__metadata__") else get_args(hint)[0]
    parser: Parser[Any] = annotated.__metadata__[0]
    return parser


def from_env[T](settings: type[T], environ: Mapping[str, str]) -> T:
    """Read an instance of the settings dataclass; ConfigurationError names every missing or wrong variable."""
    hints = get_type_hints(settings, include_extras=True)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]  # a dataclass, by contract
        name = field.name.upper()
        text = environ.get(name, "")
        if text:
            try:
                values[field.name] = _parser(hints[field.name])(text)
            except ValueError as error:
                problems.append(f"{name} {error}")
        elif field.default is dataclasses.MISSING:
            problems.append(f"{name} is missing")
    if problems:
        raise ConfigurationError(f"bad environment: {'; '.join(problems)}")
    return settings(**values)


def together(settings: object, *names: str) -> None:
    """Raise ConfigurationError if some of the optional fields are set, and others are not."""
    missing = [name.upper() for name in names if not getattr(settings, name)]
    if 0 < len(missing) < len(names):
        raise ConfigurationError(f"bad environment: {'; '.join(f'{name} is missing' for name in missing)}")
