"""Lookups and records of a release, on the local AWS."""

from typing import Any

import pytest

from tests.integration.emulator.aws.running import LocalAws, package
from tools.errors import OperatorError
from tools.release.manifest import Image, Manifest
from tools.release.registry import check_image
from tools.release.store import Action, History, Manifests
from tools.stack.traffic import Traffic

REGISTRY = "111111111111.dkr.ecr.us-east-1.amazonaws.com"
CODE = """
def handler(event, context):
    return context.function_version
"""


def manifest(number: int) -> Manifest:
    """A release, one for each number."""
    return Manifest.now(f"{number:040x}", Image(f"{REGISTRY}/loudhailer", f"sha256:{number:064x}"))


@pytest.fixture
def bucket(local_aws: LocalAws) -> str:
    """A bucket of the test's own."""
    name = local_aws.name("bucket")
    local_aws.client("s3").create_bucket(Bucket=name)
    return name


def history(local_aws: LocalAws, bucket: str, *actions: tuple[Action, int]) -> History:
    """A history in which this happened."""
    written = History(local_aws.client("s3"), bucket, "hub")
    for action, number in actions:
        written.append(action, manifest(number), manifest(number).commit)
    return written


def test_an_image_is_found_by_its_digest(local_aws: LocalAws) -> None:
    """The pushed image is there; another digest is not, nor another repository."""
    ecr = local_aws.client("ecr")
    name = local_aws.name("repository")
    ecr.create_repository(repositoryName=name)
    pushed = ecr.put_image(repositoryName=name, imageManifest="{}")["image"]["imageId"]["imageDigest"]
    check_image(ecr, Image(f"{REGISTRY}/{name}", pushed))
    with pytest.raises(OperatorError, match="has no image with the digest"):
        check_image(ecr, Image(f"{REGISTRY}/{name}", f"sha256:{'0' * 64}"))
    with pytest.raises(OperatorError, match="There is no repository"):
        check_image(ecr, Image(f"{REGISTRY}/{name}-fork", pushed))


def test_a_commit_is_released_once(local_aws: LocalAws, bucket: str) -> None:
    """Again with the same image is nothing; with another one it is refused, and the first stays."""
    manifests = Manifests(local_aws.client("s3"), bucket)
    first = manifest(1)
    manifests.put(first)
    manifests.put(first)
    with pytest.raises(OperatorError, match="released with another image"):
        manifests.put(Manifest.now(first.commit, manifest(2).image))
    assert manifests.get(first.commit) == first
    with pytest.raises(OperatorError, match="has not been released"):
        manifests.get("f" * 40)


def test_a_missing_bucket_is_an_error_and_not_an_empty_history(local_aws: LocalAws) -> None:
    """A wrong name must not look like a stack without releases; the sentence says what to apply."""
    name = local_aws.name("bucket")
    manifests = Manifests(local_aws.client("s3"), name)
    missing = History(local_aws.client("s3"), name, "hub")
    for read_or_written in (
        lambda: manifests.get("f" * 40),
        lambda: manifests.put(manifest(1)),
        missing.entries,
        lambda: missing.begin(manifest(1), manifest(1).commit, None),
        lambda: missing.append(Action.PROMOTED, manifest(1), manifest(1).commit),
    ):
        with pytest.raises(OperatorError, match=f"There is no bucket {name}") as raised:
            read_or_written()
        assert "Apply the stack `registry` first" in raised.value.remedy


def test_a_history_without_entries_has_no_rollback_target(local_aws: LocalAws, bucket: str) -> None:
    """Nor has one with a single release."""
    assert history(local_aws, bucket).current() is None
    assert history(local_aws, bucket, (Action.PROMOTED, 1)).previous() is None


P, R = Action.PROMOTED, Action.ROLLED_BACK


@pytest.mark.parametrize(
    ("actions", "previous"),
    [
        ([(P, 1), (P, 2)], 1),
        ([(P, 1), (P, 2), (P, 2)], 1),
        ([(P, 1), (P, 2), (P, 3), (R, 2)], 1),
        ([(P, 1), (P, 2), (R, 1), (P, 3)], 1),
        ([(P, 1), (P, 2), (P, 1)], 2),
    ],
)
def test_the_previous_release_skips_rolled_back_releases(
    local_aws: LocalAws, bucket: str, actions: list[Any], previous: int
) -> None:
    """Two rollbacks lead two releases back, not back and forth."""
    written = history(local_aws, bucket, *actions)
    earlier = written.previous()
    assert earlier is not None
    assert earlier.image == manifest(previous).image
    assert [(entry.action, entry.manifest.image) for entry in written.entries()] == [
        (action, manifest(number).image) for action, number in actions
    ]


def test_a_promotion_is_recorded_before_it_applies(local_aws: LocalAws, bucket: str) -> None:
    """If it fails, a rollback needs its Terraform sources; the release before is still running."""
    written = history(local_aws, bucket, (P, 1))
    assert (written.begun(), written.sources()) == (None, manifest(1).commit)
    written.begin(manifest(2), manifest(2).commit, written.revision())
    begun, current = written.begun(), written.current()
    assert begun is not None
    assert current is not None
    assert (begun.action, begun.manifest.image) == (Action.BEGUN, manifest(2).image)
    assert current.manifest.image == manifest(1).image
    assert written.sources() == manifest(2).commit
    assert [entry.action for entry in written.all()] == [P, Action.BEGUN]
    written.append(R, manifest(1), written.sources())
    assert (written.begun(), written.sources()) == (None, manifest(2).commit)


def test_a_first_promotion_that_never_ended_has_sources_and_no_release(local_aws: LocalAws, bucket: str) -> None:
    """A release is what took over."""
    written = history(local_aws, bucket)
    assert written.sources() == ""
    written.begin(manifest(1), manifest(1).commit, written.revision())
    assert (written.current(), written.entries(), written.sources()) == (None, [], manifest(1).commit)


def test_concurrent_writers_of_the_history_lose_no_line(local_aws: LocalAws, bucket: str) -> None:
    """The second is refused: it has not seen the first."""
    written = history(local_aws, bucket, (Action.PROMOTED, 1))
    before = written._read()
    other = History(local_aws.client("s3"), bucket, "hub")
    object.__setattr__(other, "_read", lambda: before)
    written.append(Action.PROMOTED, manifest(2), manifest(2).commit)
    with pytest.raises(OperatorError, match="at the same moment"):
        other.append(Action.PROMOTED, manifest(3), manifest(3).commit)
    assert len(written.entries()) == 2


def test_a_promotion_does_not_begin_if_another_one_began_since_it_looked(local_aws: LocalAws, bucket: str) -> None:
    """It has checked the order of releases without the other one."""
    written = history(local_aws, bucket, (Action.PROMOTED, 1))
    seen = written.revision()
    written.begin(manifest(2), manifest(2).commit, seen)
    with pytest.raises(OperatorError, match="at the same moment"):
        written.begin(manifest(3), manifest(3).commit, seen)
    begun = written.begun()
    assert begun is not None
    assert begun.manifest.image == manifest(2).image


def test_traffic_moves_by_weights_and_back(local_aws: LocalAws) -> None:
    """Pending until it is finished; taken back, it is pending again."""
    function, _ = local_aws.deploy(CODE)
    client = local_aws.client("lambda")
    traffic = Traffic(client, [function])
    assert traffic.pending() == []
    client.update_function_code(FunctionName=function, ZipFile=package(CODE), Publish=True)
    shifts = traffic.pending()
    assert [(shift.stable, shift.newest) for shift in shifts] == [("1", "2")]
    traffic.weigh(shifts, 0.25)
    assert traffic.unfinished() == [function]
    traffic.take_back(shifts)
    assert (traffic.unfinished(), traffic.pending()) == ([], shifts)
    traffic.finish(shifts)
    assert (traffic.unfinished(), traffic.pending()) == ([], [])
    assert traffic.images() == {}
    with pytest.raises(OperatorError, match="No function has a version"):
        traffic.return_to(f"sha256:{'0' * 64}")
