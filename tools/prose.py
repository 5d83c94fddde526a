"""`python -m tools.prose`: plain language in documents, docstrings, comments, error texts and names of tests.

The words that it refuses, and the reasons, are in `RIDDLES`: each one has made a sentence hard to understand in this
repository. `NAME_RIDDLES` are refused in names of tests and titles of commits as well, which have no sentence around
them that would explain them. `LONGEST_CLAUSE` bounds documents, docstrings and error texts. Links and code are not
read.

`--commits main..HEAD` reads the titles of these commits instead, and `--title FILE` the title of one commit's message.
"""

import argparse
import ast
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from io import StringIO
from pathlib import Path

from tools.console import Terminal
from tools.errors import OperatorError

ROOT = Path(__file__).resolve().parents[1]

RIDDLES: Mapping[str, str] = {
    r"st(?:ands?|ood)(?! for\b| in for\b)(?!-in)": "say what it does: is, exists, is stopped, waits",
    r"told": "name the message: gets, receives, is answered, is notified",
    r"who(?:m|s)?ever": "name the subject: anyone who, the caller, the reader",
    r"whom": "name the person or the thing",
    r"those (?:that|who)": "repeat the noun",
    r"that there (?:is|are|was|were)": "leave it out, or say existing",
    r"for want of": "say without, or because there is no",
    r"go(?:es)? on": "say continue",
    r"lies?|lay": "say is, is stored or is kept",
    r"(?:some|any|every)body": "name the subject: a client, each connection, anyone who",
    r"com(?:es?|ing) again|came again": "say is delivered again, is repeated or returns",
    r"anew": "say again, or recreated",
    r"all the same": "say nevertheless, or although",
    r"makes? no sense": "say is malformed",
    r"said": "name the speech: states, reports, sends, was printed",
}
"""Words that hide what happens or who does it, each with plain ones in its place."""

NAME_RIDDLES: Mapping[str, str] = {
    r"what(?:ever)?|things?": "name the thing",
    r"who(?:se|m)?(?:ever)?|one (?:who|that|of those)": "name the subject: a client, a connection, a caller",
    r"(?:no|some|any|every)bodys?": "name the subject: no client, every connection",
    r"those": "repeat the noun",
    r"(?:is|are) none": "say is not found, or does not exist",
    r"makes? no sense|nonsense": "say malformed",
    r"comes? again": "say is redelivered, is repeated or returns",
    r"anew": "say again, or recreated",
    r"all the same": "say although what",
    r"(?:says?|said)": "say names, states or reports",
    **RIDDLES,
}
"""Words that hide the subject of a name or title, or what happens to it, each with plain ones in its place."""

FIRST_WORDS = {"By", "How", "Of", "Those", "What", "Where", "Whether", "Which", "Who", "Whom", "Whose"}
"""Words that a sentence must not begin with, since its subject comes late or never; a question may."""

FIRST_WORDS_OF_NAMES = {"as", "it", "its", "others", "that", "to", "without", *map(str.lower, FIRST_WORDS)}
"""Words that the name of a test must not begin with."""

PLAIN_BEGINNINGS = ("By default", "By hand", "Of course")

LONGEST_TITLE = 100
"""Characters of a commit's title; half of this repository's titles have fewer than 60."""

LONGEST_CLAUSE = 25
"""Words up to the end of a sentence, a semicolon, a colon or a parenthesis."""

_LISTED = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*#]|\d+\.) )|\n(?=\s*\w+: )|\|")
_SENTENCE = re.compile(r"(?<=[.!?:;])(?:\*\*)?\s+(?=[A-Z0-9`\"(*\[])")
_CLAUSE = re.compile(r"[;:]\s| \(|\)[ .,]")
_NOT_READ = re.compile(r"`[^`]*`|<!--|https?://[^\s)]+|checkov:skip=\S+")
_RIDDLE = re.compile(rf"\b(?:{'|'.join(RIDDLES)})\b", re.IGNORECASE)
_NAME_RIDDLE = re.compile(rf"\b(?:{'|'.join(NAME_RIDDLES)})\b")
_MARKUP = re.compile(r"^(?:[-*#>]+ |\d+\. |\*\*|\()+")

_OWN_TITLE = re.compile(r"(?:Merge|Revert|Reapply|fixup!|squash!|amend!) ")
"""Beginnings of the titles that git writes."""

_IMPERATIVE = re.compile(
    r"(?!(?:An?|The|This|These|New|No|More|Some|Minor|Various|WIP)\b)"
    r"(?:Bring|Ping|String|Embed|Shed|Shred|Focus|Alias|[A-Z][a-z]+(?:-[a-z]+)*(?<!ing)(?<![^e]ed)(?<![^s]s))"
)
"""A first word that may be a command: it is no article, and does not end like *Adding*, *Added* or *Adds*."""

_COMMENT = re.compile(r"^\s*(?:#|//) ?(.*)$")
_TEXT = re.compile(r'^\s*(?:description|error_message) *= *"(.*)"$')
_INDENTED = re.compile(r"(?<=\n\n) {4,}\S.*(?:\n {4,}\S.*)*")
_TEST = re.compile(r'^(?: *(?:async )?def test_|run ")(\w+)', re.MULTILINE)
_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Passage:
    """A piece of prose; `is_bounded` says that the length of its clauses is checked."""

    line: int
    text: str
    is_bounded: bool = True


def passages_of_python(source: str) -> Iterator[Passage]:
    """Yield the docstrings, the comments, and the texts of errors and of lines of the log."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text)), lineno=line):
                yield Passage(line, cleandoc(text))
            case ast.Raise(exc=ast.Call(args=arguments), lineno=line):
                yield from _texts(line, arguments)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="logger")), args=arguments, lineno=line):
                yield from _texts(line, arguments)
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith(("# noqa", "# type:", "#!")):
            yield Passage(token.start[0], token.string.lstrip("# "), is_bounded=False)


def passages_of_markdown(source: str) -> Iterator[Passage]:
    """Yield the paragraphs, list entries and cells."""
    text = _FENCED.sub(lambda block: "\n" * block[0].count("\n"), source)
    line = 1
    for paragraph in re.split(r"(\n\s*\n)", text):
        yield Passage(line, paragraph)
        line += paragraph.count("\n")


def passages_of_lines(source: str) -> Iterator[Passage]:
    """Yield the blocks of comments, and Terraform's descriptions and error messages."""
    block: list[str] = []
    lines = source.splitlines()
    for number, line in enumerate([*lines, ""], start=1):
        comment = _COMMENT.match(line)
        if comment:
            block.append(comment[1])
            continue
        if block:
            yield Passage(number - len(block), "\n".join(block), is_bounded=False)
            block = []
        if text := _TEXT.match(line):
            yield Passage(number, text[1])


READERS: Mapping[str, Callable[[str], Iterator[Passage]]] = {
    ".py": passages_of_python,
    ".md": passages_of_markdown,
    **dict.fromkeys((".tf", ".hcl", ".toml", ".yml", ".js", ".mjs"), passages_of_lines),
}
"""A reader for each kind of file, by its ending."""


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a passage, without its headings, its code and its addresses."""
    for part in _LISTED.split(_NOT_READ.sub("CODE", _INDENTED.sub("", text))):
        for sentence in _SENTENCE.split(" ".join(part.split())):
            if not sentence.startswith("#"):
                yield _MARKUP.sub("", sentence)


def problems(passage: Passage) -> Iterator[str]:
    """Yield a line for each thing in the passage that a reader would stumble over."""
    for sentence in sentences(passage.text):
        words = sentence.split()
        if not words:
            continue
        if words[0] in FIRST_WORDS and not sentence.endswith("?") and not sentence.startswith(PLAIN_BEGINNINGS):
            yield f"begin with the subject, not with {words[0]!r}: {sentence}"
        if riddle := _RIDDLE.search(sentence):
            yield f"{_advice(riddle[0], RIDDLES)}, not {riddle[0]!r}: {sentence}"
        longest = max(len(clause.split()) for clause in _CLAUSE.split(sentence))
        if passage.is_bounded and longest > LONGEST_CLAUSE:
            yield f"split a clause of {longest} words: {sentence}"


def problems_of_name(name: str) -> Iterator[str]:
    """Yield a line for each thing in the name of a test, given without `test_`, that hides what is tested."""
    words = name.replace("stand_in", "stand-in").replace("_", " ")
    first = words.partition(" ")[0]
    if first in FIRST_WORDS_OF_NAMES:
        yield f"begin the name of a test with its subject, not with {first!r}: {name}"
    elif riddle := _NAME_RIDDLE.search(words):
        yield f"{_advice(riddle[0], NAME_RIDDLES)}, not {riddle[0]!r}: {name}"


def problems_of_title(title: str) -> Iterator[str]:
    """Yield a line for each thing in a commit's title that keeps a reader of the log from understanding it."""
    if _OWN_TITLE.match(title):
        return
    first = title.partition(" ")[0]
    if _IMPERATIVE.fullmatch(first) is None:
        yield f"begin the title with an imperative, such as Add or Fix, not with {first!r}: {title}"
    if len(title) > LONGEST_TITLE:
        yield f"shorten the title from {len(title)} to {LONGEST_TITLE} characters: {title}"
    if title.endswith("."):
        yield f"end the title without a full stop: {title}"
    if riddle := _NAME_RIDDLE.search(title):
        yield f"{_advice(riddle[0], NAME_RIDDLES)}, not {riddle[0]!r}: {title}"


def found(root: Path, paths: list[Path]) -> Iterator[str]:
    """Yield the problems of the files, each with its place."""
    for path in paths:
        if read := READERS.get(path.suffix):
            source = (root / path).read_text()
            for passage in read(source):
                for problem in problems(passage):
                    yield f"{path}:{passage.line}: {problem}"
            for test in _TEST.finditer(source):
                line = source.count("\n", 0, test.start(1)) + 1
                for problem in problems_of_name(test[1]):
                    yield f"{path}:{line}: {problem}"


def found_in_titles(root: Path, commits: str) -> Iterator[str]:
    """Yield the problems of the titles of a range of commits, each with its commit; merges are left out."""
    listed = _git(root, "log", "--no-merges", "--format=%h %s", commits, "--")
    for commit, _, title in (line.partition(" ") for line in listed.splitlines()):
        for problem in problems_of_title(title):
            yield f"{commit}: {problem}"


def title_of(message: str) -> str:
    """Return the title of a commit's message, as git reads it: the first line that is neither empty nor a comment."""
    lines = (line.strip() for line in message.splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")


def main(arguments: Sequence[str] = ()) -> int:
    """Print the problems of the repository's prose, or of titles; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.prose", description="Check for plain language.")
    subject = parser.add_mutually_exclusive_group()
    subject.add_argument("--commits", metavar="RANGE", help="check the titles of these commits, such as main..HEAD")
    subject.add_argument("--title", metavar="FILE", type=Path, help="check the title of the commit's message in FILE")
    options = parser.parse_args(arguments)
    if options.commits is not None:
        lines = list(found_in_titles(ROOT, options.commits))
    elif options.title is not None:
        lines = list(problems_of_title(title_of(options.title.read_text())))
    else:
        lines = list(found(ROOT, _checked_files(ROOT)))
    if not lines:
        return 0
    sys.stdout.writelines(f"{line}\n" for line in lines)
    Terminal().fail(OperatorError(f"{len(lines)} sentences are hard to read.", "Rewrite them as each line advises."))
    return 1


def _checked_files(root: Path) -> list[Path]:
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return [path for path in map(Path, listed.split("\0")[:-1]) if is_checked(path) and (root / path).is_file()]


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout


def is_checked(path: Path) -> bool:
    """Tell whether the file's prose is ours: the code of conduct is a standard text."""
    return path.name != "CODE_OF_CONDUCT.md"


def _texts(line: int, arguments: Iterable[ast.expr]) -> Iterator[Passage]:
    for argument in arguments:
        match argument:
            case ast.Constant(value=str(text)):
                yield Passage(line, text)
            case ast.JoinedStr(values=parts):
                yield Passage(line, "".join(_constant(part) for part in parts))


def _constant(part: ast.expr) -> str:
    return part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "it"


def _advice(word: str, riddles: Mapping[str, str]) -> str:
    return next(advice for riddle, advice in riddles.items() if re.match(rf"(?:{riddle})\b", word, re.IGNORECASE))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
