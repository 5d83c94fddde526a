"""The check of prose reports what a reader would stumble over, and nothing else."""

import subprocess
from pathlib import Path

import pytest

from tools import prose


def reported(text: str, *, is_bounded: bool = True) -> list[str]:
    """Return the problems of a passage."""
    return list(prose.problems(prose.Passage(1, text, is_bounded=is_bounded)))


@pytest.mark.parametrize(
    "sentence",
    [
        "How many messages are done with: who is there, and not left behind, took them all.",
        "Tests in the tallies that there are.",
        "By how much a total was too high all the time that the samples cover.",
        "As the cell, whom the worker speaks to.",
        "Whoever comes second takes the chunks that stand.",
        "What a crowd takes before it is there, `plan` says",
        "The row stands in the table.",
        "The sender is told.",
        "A message lies in the queue.",
        "The stream goes on.",
        "It returned for want of time.",
        "Delete those that are gone.",
        "**Details.** What was fixed stays.",
        "The lock is held while somebody reads.",
        "The message comes again after two seconds.",
        "The next minute begins anew.",
        "A lost call is counted all the same.",
        "A frame that makes no sense is answered.",
        "It lacks the field that the client said.",
    ],
)
def test_a_sentence_that_has_to_be_decoded_is_reported(sentence: str) -> None:
    """Private words, and sentences that begin without a subject."""
    assert reported(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Number of leading messages that every live connection has received and that can be deleted.",
        "Return the tallies that exist; missing keys are omitted.",
        "If two workers process the same source, the second reuses the chunks already written.",
        "A bit stands for a connection, and the gateway stand-in stands in for API Gateway.",
        "By default it is 100.",
        "What is a partition?",
        "`those that stand` is code.",
        "# What protects what",
        "See https://example.com/told/whoever.",
        "Run it:\n\n    make told    # whoever\n    make stands\n\nThen read.",
        "",
    ],
)
def test_plain_sentences_pass(sentence: str) -> None:
    """Standard terms, questions, headings, code and addresses."""
    assert reported(sentence) == []


def test_a_clause_may_have_twenty_five_words() -> None:
    """A semicolon, a colon, a parenthesis and a full stop begin a new clause."""
    words = " ".join(["word"] * 25)
    assert reported(f"{words}; {words}: {words} ({words}). {words.capitalize()}") == []
    assert reported(f"{words} word.") == [f"split a clause of 26 words: {words} word."]
    assert reported(f"{words} word.", is_bounded=False) == []


def test_a_problem_advises_a_plain_word() -> None:
    """The advice belongs to the word that was found."""
    (problem,) = reported("The topic is Told.")
    assert problem.startswith("name the message: gets, receives")


@pytest.mark.parametrize(
    "name",
    [
        "what_was_refused_stands_behind_what_is_new",
        "whoever_only_listens_keeps_the_session",
        "of_two_hundred_at_once_exactly_the_maximum_get_in",
        "it_listens_on_the_loopback_interface_only",
        "without_a_tenant_that_goes_on_the_role_is_not_assumed",
        "a_session_that_others_hold_is_told_so",
        "a_client_that_nobody_knows_is_refused",
        "a_message_that_comes_again_is_dropped",
        "one_who_never_joined_leaves_a_room",
        "a_lease_that_makes_no_sense_is_ignored",
    ],
)
def test_a_name_of_a_test_that_has_to_be_decoded_is_reported(name: str) -> None:
    """A name has no sentence around it that would say who does what."""
    assert list(prose.problems_of_name(name))


@pytest.mark.parametrize(
    "name",
    [
        "assume_role_fails_without_a_transitive_tenant_tag",
        "a_redelivered_message_does_not_change_the_report",
        "the_stand_in_gives_the_expected_answer",
        "each_look_reads_the_lines_since_the_last_one",
        "posts_trust_the_certificates_of_the_sdk_and_no_others",
    ],
)
def test_a_plain_name_of_a_test_passes(name: str) -> None:
    """The subject comes first, and the verb says what happens."""
    assert list(prose.problems_of_name(name)) == []


@pytest.mark.parametrize(
    "title",
    [
        "Types after the merge",
        "Adds a check of titles",
        "Added a check of titles",
        "Adding a check of titles",
        "A check of titles",
        "add a check of titles",
        "prose: check titles",
        "Add a check of titles.",
        "Say what a crowd takes before it is there",
        "Close the connection of whoever misses a message",
        f"Add {'a' * 97}",
        "",
    ],
)
def test_a_title_of_a_commit_that_has_to_be_decoded_is_reported(title: str) -> None:
    """No imperative, a private word, a full stop, or more characters than a list of commits shows."""
    assert len(list(prose.problems_of_title(title))) == 1


@pytest.mark.parametrize(
    "title",
    [
        "Fix type errors after merging subscribers",
        "Pass the deadline on to every call",
        "Bring the tenants of a new cell up to date",
        "Address the findings of a review",
        "Speed up the first broadcast",
        "Seed the simulation",
        "Shed load of a full cell",
        "Re-read the tenant of an unknown session",
        'Reapply "Added things."',
        f"Add {'a' * 96}",
        "Merge branch 'whoever'",
        'Revert "Added things."',
        "fixup! Say what it is",
    ],
)
def test_a_plain_title_of_a_commit_passes(title: str) -> None:
    """An imperative and the change for the people who notice it; the titles that git writes are not ours."""
    assert list(prose.problems_of_title(title)) == []


def test_the_titles_of_a_range_of_commits_are_read(tmp_path: Path) -> None:
    """Each problem names its commit; commits before the range may have any title."""

    def git(*arguments: str) -> str:
        settings = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
        return subprocess.run(
            ["git", *settings, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    git("init")
    for title in ("Types after the merge", "Add a check", "Tests of titles"):
        git("commit", "--allow-empty", f"--message={title}")
    commit = git("log", "-1", "--format=%h").strip()
    advice = "begin the title with an imperative, such as Add or Fix, not with 'Tests'"
    assert list(prose.found_in_titles(tmp_path, "HEAD~2..HEAD")) == [f"{commit}: {advice}: Tests of titles"]


@pytest.mark.parametrize(
    ("message", "exit_code"),
    [("Add a check\n\nWhat it is for.\n", 0), ("\n# a comment\nTypes after the merge\n# Please enter a message\n", 1)],
)
def test_the_title_of_a_message_is_checked_before_the_commit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], message: str, exit_code: int
) -> None:
    """The hook passes the file that git wrote, which has comments, and a body that is not checked."""
    file = tmp_path / "COMMIT_EDITMSG"
    file.write_text(message)
    assert prose.main(["--title", str(file)]) == exit_code
    assert ("Types after the merge" in capsys.readouterr().out) is bool(exit_code)


def test_each_kind_of_file_is_read(tmp_path: Path) -> None:
    """Docstrings, comments, errors, logs and tests of Python; Markdown; comments, texts and tests of Terraform."""
    (tmp_path / "a.py").write_text(
        '"""Plain."""\n\n# Whoever asks.\ndef f(x):\n    """Told."""\n    raise ValueError(f"{x} stands here")\n'
        '    raise OSError("it lies there")\n\n\nasync def test_what_is_sent() -> None: ...\n'
        'def test_a_message_is_sent() -> None:\n    logger.info("the sender is told")\n    logger.info("sent")\n'
    )
    (tmp_path / "b.md").write_text("# Title\n\nPlain.\n\n```sh\nwhoever\n```\n\n- Plain.\n- Told.\n")
    (tmp_path / "c.tf").write_text(
        '# Whoever\n# asks.\ndescription = "What it is."\nerror_message = "Plain."\n# Told.\n'
    )
    (tmp_path / "c.tftest.hcl").write_text('run "nobody_is_let_in" {\n}\n\nrun "the_role_is_assumed" {\n}\n')
    (tmp_path / "d.png").write_text("Told.")
    paths = [Path(name) for name in ("a.py", "b.md", "c.tf", "c.tftest.hcl", "d.png")]
    found = [line.rsplit(": ", 1)[0].split(": ")[0] for line in prose.found(tmp_path, paths)]
    assert found == [
        *("a.py:5", "a.py:6", "a.py:7", "a.py:12", "a.py:3", "a.py:10"),
        *("b.md:9", "c.tf:1", "c.tf:3", "c.tf:5", "c.tftest.hcl:1"),
    ]


@pytest.mark.parametrize(
    ("path", "is_checked"),
    [
        ("README.md", True),
        ("functions/broadcast/query/query.py", True),
        ("docs/architecture.md", True),
        ("docs/decisions/0001-ship-all-functions-in-one-image.md", True),
        ("CODE_OF_CONDUCT.md", False),
    ],
)
def test_texts_of_others_are_not_checked(path: str, *, is_checked: bool) -> None:
    """The code of conduct is a standard text."""
    assert prose.is_checked(Path(path)) is is_checked


@pytest.mark.parametrize(("problems", "code"), [([], 0), (["README.md:1: split it"], 1)])
def test_the_command_prints_every_problem_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], problems: list[str], code: int
) -> None:
    """`make check` stops at a sentence that is hard to read."""
    monkeypatch.setattr(prose, "found", lambda _root, _paths: iter(problems))
    assert prose.main() == code
    assert capsys.readouterr().out.splitlines() == problems
