"""Check that an image is there, before anything is changed for it."""

from typing import TYPE_CHECKING

from tools.errors import OperatorError
from tools.release.manifest import Image

if TYPE_CHECKING:
    from mypy_boto3_ecr.client import ECRClient


def check_image(client: "ECRClient", image: Image) -> None:
    """OperatorError unless the registry has the image.

    BatchGetImage is among the rights that the accounts have anyway, to pull:
    https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetImage.html
    """
    try:
        answer = client.batch_get_image(
            registryId=image.account_id,
            repositoryName=image.repository,
            imageIds=[{"imageDigest": image.digest}],
        )
    except client.exceptions.RepositoryNotFoundException:
        raise OperatorError(
            f"There is no repository {image.repository_url}.", "The stack `registry` makes it."
        ) from None
    if not answer.get("images"):
        raise OperatorError(
            f"{image.repository_url} has no image with the digest {image.digest}.",
            "Promote the digest of a manifest: the workflow `release` writes it once the image is pushed.",
        )
