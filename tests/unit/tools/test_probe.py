"""The questions to AWS, the report of their answers, and what the command refuses; nothing is asked here."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.support.checkout import ROOT
from tools.cli.main import app
from tools.errors import OperatorError
from tools.probe import own_api, own_queues
from tools.probe.interview import Interview, left_out
from tools.probe.question import UNDECIDED, Answer, Need, Question
from tools.probe.questions import QUESTIONS, named
from tools.probe.report import ProbeReport, page, recorded
from tools.probe.site import Pace, Site
from tools.release.environment import Environment
from tools.stack.project import Project

DEV = "222222222222"
PAGE = ROOT / "docs" / "aws-answers.md"


async def yes(_: Site) -> Answer:
    """Answer yes."""
    return Answer("yes", {"number": 1})


async def broken(_: Site) -> Answer:
    """Fail."""
    raise ValueError("no answer | at all")


def question(name: str = "first", ask: Any = yes, **changes: Any) -> Question:
    """A question that needs nothing."""
    fitting = {"yes": "Nothing.", "no": "All."}
    plain = Question(
        name=name,
        asks="Does it?",
        asked="So.",
        read="So.",
        assumes="yes",
        stand_in="yes",
        changes=fitting,
        needs=Need.TENANT,
        seconds=1,
        messages=1_000,
        ask=ask,
    )
    return replace(plain, **changes)


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["probe", *arguments])


def report(*results: Any, **changes: Any) -> ProbeReport:
    """A report of a run in AWS."""
    plain = ProbeReport(
        environment="dev",
        account=DEV,
        region="us-east-1",
        is_aws=True,
        asked_at=datetime(2026, 11, 30, 8, 0, tzinfo=UTC),
        results=results,
        left_out={},
    )
    return replace(plain, **changes)


@pytest.mark.parametrize("each", QUESTIONS, ids=lambda each: each.name)
def test_every_question_is_complete(each: Question) -> None:
    """It is a sentence; what is assumed and what the stand-in answers are verdicts with a consequence."""
    assert re.fullmatch("[a-z0-9-]+", each.name)
    assert re.fullmatch(r"[A-Z].+\?", each.asks)
    assert all(text.endswith(".") for text in (each.asked, each.read, *each.changes.values()))
    assert each.assumes in each.changes
    assert each.stand_in in {*each.changes, UNDECIDED}
    assert len(each.changes) >= 2
    assert each.seconds > 60 or not each.is_long


def test_names_of_questions_are_unique_and_choose_them_in_their_order() -> None:
    """An unknown name is refused with the existing ones."""
    names = [each.name for each in QUESTIONS]
    assert len(set(names)) == len(names)
    assert [each.name for each in named([names[2], names[0]])] == [names[0], names[2]]
    assert named([]) == list(QUESTIONS)
    with pytest.raises(OperatorError, match="no question 'weather'"):
        named(["weather"])


def test_the_page_shows_the_questions_and_the_recorded_runs() -> None:
    """`python -m tools.probe` writes it."""
    assert PAGE.read_text() == page(QUESTIONS, recorded(ROOT / "docs" / "aws-answers"))


def test_the_page_separates_questions_asked_of_aws_from_others(tmp_path: Path) -> None:
    """The newest answer counts; runs of the stand-in, and questions that failed, are no answers."""
    both = [question("first"), question("second")]
    assert "No question was ever asked of AWS." in page(both, [])

    async def ask(verdict: str) -> Answer:
        return Answer(verdict)

    for day, verdict, is_aws in ((1, "yes", True), (2, "no", True), (3, "yes", False)):
        interview = Interview([question(ask=lambda _, verdict=verdict: ask(verdict)), question("second", broken)])
        _interviewed(interview)
        asked_at = datetime(2026, 12, day, tzinfo=UTC)
        report(*interview.results, is_aws=is_aws, asked_at=asked_at).write(tmp_path)
    text = page(both, recorded(tmp_path))
    assert "1 of 2 were asked of AWS" in text
    assert "no (2026-12-02, us-east-1)" in text
    assert text.count("never asked") == 1


def _interviewed(interview: Interview) -> None:
    asyncio.run(interview(Site(sign=lambda *_: {})))


def test_a_failed_question_does_not_end_the_others() -> None:
    """Its error is in the report, and no verdict."""
    progress: list[tuple[int, str]] = []
    interview = Interview(
        [question("first", broken), question("second", is_long=True), question("third")],
        lambda done, name: progress.append((done, name)),
    )
    _interviewed(interview)
    assert [(result.question.name, result.verdict, result.problem) for result in interview.results] == [
        ("first", "failed", "ValueError: no answer | at all"),
        ("third", "yes", ""),
        ("second", "yes", ""),
    ]
    assert progress[-1] == (3, "second")
    assert interview.asking == set()


def test_a_report_is_written_as_json_and_as_a_table(tmp_path: Path) -> None:
    """Both files give the time, the place, the caller, the assumptions and the omissions."""
    interview = Interview([question(), question("second", broken)])
    _interviewed(interview)
    paths = report(*interview.results, left_out={"third": "it waits"}, interrupted=["fourth"]).write(tmp_path / "new")
    assert [path.name for path in paths] == [
        f"aws-answers-2026-11-30T080000Z-dev.{ending}" for ending in ("json", "md")
    ]
    wire = json.loads(paths[0].read_text())
    assert (wire["asked"], wire["account"], wire["leftOut"], wire["interrupted"]) == (
        *("AWS", DEV),
        *({"third": "it waits"}, ["fourth"]),
    )
    first, second = wire["answers"]
    assert (first["verdict"], first["assumed"], first["changes"], first["seen"]) == (
        *("yes", "yes", "Nothing."),
        {"number": 1},
    )
    assert (second["verdict"], second["problem"]) == ("failed", "ValueError: no answer | at all")
    table = paths[1].read_text()
    assert "| Does it? | yes | yes | Nothing. |" in table
    assert r"| Does it? | failed | yes | ValueError: no answer \| at all |" in table
    assert "while it asked: fourth." in table
    assert "| `third` | it waits |" in table


def test_long_questions_and_questions_that_use_up_the_quota_need_an_option() -> None:
    """Each with the option that asks it."""
    asked = [question(), question("long", is_long=True), question("quota", needs=Need.QUOTA)]
    reasons = left_out(asked, long=False, pace=Pace(), has_caller=True)
    assert set(reasons) == {"long", "quota"}
    assert "--long" in reasons["long"]
    assert "--use-up-quota" in reasons["quota"]
    assert set(left_out(asked, long=True, pace=Pace(flood_posts_per_second=9), has_caller=False)) == {"quota"}
    assert left_out(asked, long=True, pace=Pace(flood_posts_per_second=9), has_caller=True) == {}


def test_only_the_probes_own_api_is_asked_in_another_region() -> None:
    """The deployment, and its tenant, are not there."""
    asked = [question(), question("posts", needs=Need.API)]
    reasons = left_out(asked, long=False, pace=Pace(), has_caller=False, is_home=False)
    assert set(reasons) == {"first"}
    assert "another Region" in reasons["first"]


def test_the_list_shows_each_question_with_its_cost() -> None:
    """It asks nothing and needs no stack."""
    done = run("dev", "--list")
    assert done.exit_code == 0
    assert [each.name for each in QUESTIONS if each.name not in done.output] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "--account", DEV], "There is no environment"),
        (["local"], "--account says nothing"),
        (["local", "--account", DEV], f"--account says {DEV}"),
        (["local", "--account", "111111111111"], "No stack runs here."),
        (["local", "--account", "111111111111", "--only", "weather"], "no question 'weather'"),
    ],
)
def test_an_unconfirmed_probe_asks_nothing(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account must be named, and be the environment's."""
    monkeypatch.setenv("LOUDHAILER_STATE_DIR", str(tmp_path))
    done = run(*arguments)
    assert done.exit_code == 1
    assert words in done.output


@dataclass
class Cloud:
    """Credentials of an account."""

    account: str
    sign: Any = None

    def require(self, account: str) -> None:
        """Refuse another account."""
        if account != self.account:
            raise OperatorError(f"These credentials are of account {self.account}.")


@dataclass
class Place:
    """A place that makes nothing; `made` says whether it was asked to."""

    environment: Any
    cloud: Cloud
    made: list[str] = field(default_factory=list)

    @contextmanager
    def site(self, _questions: Any, site: Site) -> Iterator[Site]:
        """Note that something is made, and that it is removed."""
        self.made.append("made")
        try:
            yield site
        finally:
            self.made.append("removed")


@pytest.fixture
def dev(monkeypatch: pytest.MonkeyPatch) -> Place:
    """The environment dev with the right credentials, and two questions."""
    known = Environment.of(Project.of_this_code(), "dev")
    place = Place(known, Cloud(known.account_id))
    monkeypatch.setattr("tools.cli.probe.ProbePlace.of", lambda *_: place)
    monkeypatch.setattr("tools.cli.probe.named", lambda _: [question(), question("second", ask=yes)])
    return place


def probed(dev: Place, folder: Path, *arguments: str, answer: str = "") -> Result:
    """Run the command in dev."""
    everything = ["probe", "dev", "--account", dev.environment.account_id, "--into", str(folder), *arguments]
    return CliRunner().invoke(app, everything, input=answer)


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_a_probe_asks_for_consent_before_it_costs_anything(dev: Place, tmp_path: Path, answer: str) -> None:
    """Nothing is made for an operator who says no, or says nothing."""
    done = probed(dev, tmp_path, answer=answer)
    assert done.exit_code == 1
    assert "costs at most 0.002 USD" in done.output
    assert dev.made == []
    assert list(tmp_path.iterdir()) == []


def test_a_confirmed_probe_gives_answers_and_two_files(dev: Place, tmp_path: Path) -> None:
    """Everything that was made is removed."""
    done = probed(dev, tmp_path, answer="y\n")
    assert done.exit_code == 0, done.output
    assert dev.made == ["made", "removed"]
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".md"}


def test_other_credentials_are_refused(dev: Place, tmp_path: Path) -> None:
    """Whatever `--account` says."""
    dev.cloud.account = "999999999999"
    done = probed(dev, tmp_path, "--yes")
    assert done.exit_code == 1
    assert "credentials are of account 999999999999" in done.output
    assert dev.made == []


def test_a_failed_question_has_its_exit_code(dev: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers of the others are written."""
    monkeypatch.setattr("tools.cli.probe.named", lambda _: [question(), question("second", broken)])
    done = probed(dev, tmp_path, "--yes", "--json")
    assert done.exit_code == 1
    assert "could not be asked: second" in done.output
    assert json.loads(next(tmp_path.glob("*.json")).read_text())["answers"][0]["verdict"] == "yes"


def test_an_interrupted_run_cleans_up_and_lists_its_questions(
    dev: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files have the answers so far."""

    async def interrupted(_: Site) -> Answer:
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.cli.probe.named", lambda _: [question(), question("second", interrupted)])
    done = probed(dev, tmp_path, "--yes")
    assert done.exit_code == 130
    assert dev.made == ["made", "removed"]
    wire = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert ([answer["name"] for answer in wire["answers"]], wire["interrupted"]) == (["first"], ["second"])


@dataclass
class ApiGateway:
    """The control plane of API Gateway, as far as the probe calls it; `broken` fails."""

    broken: str = ""
    apis: dict[str, dict[str, str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def get_apis(self, NextToken: str = "0") -> dict[str, Any]:  # noqa: N803 - the names are AWS's
        """List the APIs, one a page."""
        place = int(NextToken)
        page = [*self.apis.values()][place : place + 1]
        return {"Items": page, "NextToken": str(place + 1) if place + 1 < len(self.apis) else ""}

    def create_api(self, **values: str) -> dict[str, str]:
        """Make an API."""
        api = f"api-{len(self.apis)}"
        self.apis[api] = {"ApiId": api, "Name": values["Name"], "ProtocolType": values["ProtocolType"]}
        return {"ApiId": api}

    def delete_api(self, ApiId: str) -> None:  # noqa: N803 - as above
        """Delete an API."""
        del self.apis[ApiId]

    def __getattr__(self, name: str) -> Any:
        def call(**_: Any) -> dict[str, str]:
            self.calls.append(name)
            if name == self.broken:
                raise ValueError(name)
            return {"IntegrationId": "i", "RouteId": "r", "DeploymentId": "d"}

        return call


def test_the_probes_api_exists_during_the_block_only() -> None:
    """Two routes, three stages."""
    gateway = ApiGateway()
    with own_api.own_api(gateway) as api:
        assert gateway.apis[api]["Name"] == own_api.NAME
    assert gateway.apis == {}
    assert (gateway.calls.count("create_route"), gateway.calls.count("create_stage")) == (2, 3)


def test_an_api_that_cannot_be_completed_is_deleted() -> None:
    """Nothing stays of it."""
    gateway = ApiGateway(broken="create_stage")
    with pytest.raises(ValueError, match="create_stage"), own_api.own_api(gateway):
        pass
    assert gateway.apis == {}


def test_the_api_of_another_probe_is_removed_only_on_request() -> None:
    """APIs of other names, and other kinds, are never touched."""
    gateway = ApiGateway()
    for name, kind in (("hub", "WEBSOCKET"), (own_api.NAME, "HTTP"), (own_api.NAME, "WEBSOCKET")):
        gateway.create_api(Name=name, ProtocolType=kind)
    with pytest.raises(OperatorError, match="another probe is at work"), own_api.own_api(gateway):
        pass
    assert len(gateway.apis) == 3
    assert own_api.remove_left(gateway) == 1
    assert [(api["Name"], api["ProtocolType"]) for api in gateway.apis.values()] == [
        ("hub", "WEBSOCKET"),
        (own_api.NAME, "HTTP"),
    ]


def test_a_missing_metric_is_not_zero() -> None:
    """None until CloudWatch has a datapoint."""

    class CloudWatch:
        points: tuple[dict[str, float], ...] = ()

        def get_metric_statistics(self, **wanted: Any) -> dict[str, Any]:
            assert wanted["Dimensions"] == [{"Name": "ApiId", "Value": "api"}, {"Name": "Stage", "Value": "gone"}]
            return {"Datapoints": self.points}

    cloudwatch, now = CloudWatch(), datetime(2026, 11, 30, tzinfo=UTC)
    metric = own_api.metric_of(cloudwatch, "api", now, lambda: now)
    assert metric("gone", "MessageCount") is None
    cloudwatch.points = ({"Sum": 3.0}, {"Sum": 50.0})
    assert metric("gone", "MessageCount") == 53.0


@dataclass
class Sqs:
    """SQS, as far as the probe calls it; `keeps` says whether a message that is given up keeps its count."""

    keeps: bool
    urls: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)

    def create_queue(self, QueueName: str, **_: Any) -> dict[str, str]:  # noqa: N803 - as above
        """Make a queue."""
        self.urls.append(QueueName)
        return {"QueueUrl": QueueName}

    def delete_queue(self, QueueUrl: str) -> None:  # noqa: N803 - as above
        """Delete a queue."""
        self.urls.remove(QueueUrl)

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        """Answer an ARN."""
        return {"Attributes": {"QueueArn": "arn"}}

    def list_queues(self, QueueNamePrefix: str) -> dict[str, list[str]]:  # noqa: N803 - as above
        """List the queues of a prefix."""
        return {"QueueUrls": [url for url in self.urls if url.startswith(QueueNamePrefix)]}

    def send_message(self, QueueUrl: str, **_: Any) -> None:  # noqa: N803 - as above
        """Take the message."""
        self.places = {QueueUrl: 0}

    def receive_message(self, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - as above
        """Hand out the message, or move it."""
        ((place, count),) = self.places.items()
        if place == QueueUrl and place.endswith("source") and count == own_queues.RECEIVES:
            self.places = {place.replace("source", "dead-letters"): count if self.keeps else 0}
            return {}
        if place != QueueUrl:
            return {}
        self.places[place] = count + 1
        return {"Messages": [{"Attributes": {"ApproximateReceiveCount": str(count + 1)}}]}


@pytest.mark.parametrize(("keeps", "verdict"), [(True, "yes"), (False, "no")])
async def test_the_count_of_receives_is_read_in_the_dead_letter_queue(*, keeps: bool, verdict: str) -> None:
    """The queues are there for the block alone; others of their prefix are removed when that is asked for."""
    sqs: Any = Sqs(keeps)
    sqs.create_queue(f"{own_queues.PREFIX}left")
    sqs.create_queue("another")
    (asked,) = named(["receive-count"])
    with own_queues.own_queues(sqs) as queues:
        assert len(sqs.urls) == 4
        answer = await asked.ask(Site(sign=lambda *_: {}, own_queues=queues))
    assert (answer.verdict, answer.seen["countsBefore"]) == (verdict, [1, 2])
    assert own_queues.remove_left(sqs) == 1
    assert sqs.urls == ["another"]
