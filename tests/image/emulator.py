"""A function of the image in a container, asked through Lambda's runtime interface emulator.

As on Lambda it runs as a user without rights, on a file system that it can write to in /tmp alone:
https://docs.aws.amazon.com/lambda/latest/dg/python-image.html
https://github.com/aws/aws-lambda-runtime-interface-emulator
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testcontainers.core.container import DockerContainer

from tests.support.checkout import module_of
from tests.support.waiting import PATIENCE_SECONDS, wait_until
from tools.stack.processes import HOST, free_port

NOBODY = "65534:65534"


@dataclass(frozen=True)
class EmulatedFunction:
    """A running function; it takes one event at a time."""

    container: DockerContainer
    url: str

    def __call__(self, event: Any) -> Any:
        """Return the function's answer, or the error that it ends with."""
        request = urllib.request.Request(self.url, json.dumps(event).encode(), method="POST")  # noqa: S310 (http)

        def answer() -> tuple[Any] | None:
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:  # noqa: S310
                    return (json.load(response),)
            except urllib.error.HTTPError as refused:
                return (json.load(refused),)
            except OSError:  # the emulator does not listen yet
                return None

        return wait_until(answer)[0]

    def run(self, *command: str) -> tuple[int | None, str]:
        """Run a program beside the function; its exit code and its output."""
        done = self.container.exec(list(command))
        return done.exit_code, done.output.decode()


@contextmanager
def running(
    image: str, function: str, variables: Mapping[str, str], files: Mapping[str, Path] | None = None
) -> Iterator[EmulatedFunction]:
    """A function of the image with these variables, for the block; it shares the machine's network.

    `files` take the place of files of the image, by their path there.
    """
    address = f"{HOST}:{free_port()}"
    emulator = ["/usr/local/bin/aws-lambda-rie", "--runtime-interface-emulator-address", address]
    emulator += ["--runtime-api-address", f"{HOST}:{free_port()}", "/lambda-entrypoint.sh"]
    container = (
        DockerContainer(image)
        .with_command(f"{module_of(function, 'handler')}.handler")
        .with_envs(AWS_LAMBDA_FUNCTION_TIMEOUT="30", AWS_LAMBDA_FUNCTION_MEMORY_SIZE="1024", **variables)
        .with_tmpfs_mount("/tmp", "size=512m")  # noqa: S108 (Lambda has it)
        .with_kwargs(entrypoint=emulator, network_mode="host", read_only=True, user=NOBODY)
    )
    for path, file in (files or {}).items():
        container.with_volume_mapping(str(file), path, "ro")
    with container as started:
        yield EmulatedFunction(started, f"http://{address}/2015-03-31/functions/function/invocations")
