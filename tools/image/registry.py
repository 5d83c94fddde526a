"""Answers of a registry about an image: AWS's base by its tag, ours by its digest."""

import hashlib
import json
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException

from tools.errors import OperatorError
from tools.image.engine import ContainerEngine

_INDEXES = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
_TIMEOUT_SECONDS = 30.0

type Get = Callable[[str, Mapping[str, str]], bytes]


def digest_of_tag(repository: str, tag: str, get: Get | None = None) -> str:
    """The digest of the index, with its images of all platforms, that a public tag names now.

    It is computed from what the registry sent, as the specification defines it, not believed:
    https://github.com/opencontainers/distribution-spec/blob/main/spec.md.
    """
    get = get or _get
    host, _, name = repository.partition("/")
    try:
        token = json.loads(get(f"https://{host}/token/?scope=repository:{name}:pull", {}))["token"]
        headers = {"Authorization": f"Bearer {token}", "Accept": _INDEXES}
        index = get(f"https://{host}/v2/{name}/manifests/{tag}", headers)
        platforms = {manifest["platform"]["architecture"] for manifest in json.loads(index)["manifests"]}
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        raise OperatorError(
            f"{repository}:{tag} cannot be looked up: {error!r}.", f"Run this on a machine that reaches {host}."
        ) from error
    if missing := {"amd64", "arm64"} - platforms:
        raise OperatorError(f"{repository}:{tag} has no image for {', '.join(sorted(missing))}.")
    return f"sha256:{hashlib.sha256(index).hexdigest()}"


def push(engine: ContainerEngine, image: str, repository: str, tag: str) -> str:
    """Push an image of the engine under a tag; the digest that it has in the registry."""
    name = f"{repository}:{tag}"
    engine.run("tag", image, name)
    engine.run("push", "--quiet", name)
    digests = json.loads(engine.run("image", "inspect", "--format", "{{json .RepoDigests}}", name))
    found = [digest for known, _, digest in (entry.partition("@") for entry in digests) if known == repository]
    if len(found) != 1:
        raise OperatorError(f"The registry did not say which digest {name} has: {digests}.")
    return str(found[0])


def _get(url: str, headers: Mapping[str, str]) -> bytes:
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 (https, as the callers have it)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
        body: bytes = response.read()
    return body
