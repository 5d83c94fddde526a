"""The bootstrap on an emptied machine: it brings uv from the package index, Python from pyenv or uv, and Terraform."""

import hashlib
import os
import signal
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.integration.bootstrap.checkout import Checkout, uv_cache
from tests.support.waiting import wait_until
from tools.toolchain.terraform import CHECKSUMS, RELEASE, find_terraform, this_platform

VERSION_OF_NO_MIRROR = "5.99.99"
NOWHERE = "http://127.0.0.1:9"
"""A proxy that nobody runs: Terraform's registry is out of reach."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout after its first `make setup`; everything was missing but Terraform, and a Python that pyenv keeps."""
    checkout = Checkout(tmp_path_factory.mktemp("bootstrap"))
    checkout.environment["UV_CACHE_DIR"] = uv_cache()
    done = checkout.run("make", "setup")
    assert done.returncode == 0, done.stdout
    assert "Installing uv from the Python package index into .tools/uv" in done.stdout
    return checkout


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """HashiCorp's releases on loopback: their address, and the checksum of the archive, which is not the pinned one."""
    archive = tmp_path / "terraform" / RELEASE / f"terraform_{RELEASE}_{this_platform()}.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as content:
        content.write(find_terraform(), "terraform")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", hashlib.sha256(archive.read_bytes()).hexdigest()
        server.shutdown()
        thread.join()


def test_the_only_python_is_taken_from_pyenv(tmp_path: Path) -> None:
    """PATH has another version alone, or none; nothing is downloaded."""
    checkout = Checkout(tmp_path)
    done = checkout.run("tools/bootstrap", "bash", "-c", "echo $UV_PYTHON")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, str(checkout.python))
    assert "Downloading" not in done.stdout


def test_the_command_line_works_without_uv_afterwards(checkout: Checkout) -> None:
    """As README says: the environment is activated, and `loudhailer` copes by itself."""
    done = checkout.run("bash", "-c", ". .venv/bin/activate && loudhailer down && python -m tools.toolchain version")
    assert done.returncode == 0, done.stdout
    assert "Terraform v" in done.stdout


def test_a_second_setup_fetches_nothing(checkout: Checkout) -> None:
    """Every make target needs it, and it prints nothing if nothing is missing."""
    done = checkout.run("make", "setup")
    assert (done.returncode, done.stdout) == (0, "")


def test_setup_writes_only_to_the_checkout_and_the_cache(checkout: Checkout) -> None:
    """The home stays as it was."""
    assert checkout.written_in_home() <= {".cache"}


def test_a_missing_terraform_is_fetched_from_hashicorps_releases(checkout: Checkout, releases: tuple[str, str]) -> None:
    """Here loopback takes their place, and a copy of the repository pins the checksum of what it serves."""
    address, checksum = releases
    environment = checkout.without_terraform | {"LOUDHAILER_HASHICORP_RELEASES": address}
    refused = checkout.run("make", "setup", environment=environment)
    assert refused.returncode != 0
    assert f"its SHA-256 is {checksum}, not {CHECKSUMS[this_platform()]}" in refused.stdout
    checkout.replace("tools/toolchain/terraform.py", CHECKSUMS[this_platform()], checksum)
    fetched = checkout.run("make", "setup", environment=environment)
    assert fetched.returncode == 0, fetched.stdout
    assert f"Downloading Terraform {RELEASE}" in fetched.stdout
    kept = checkout.run("make", "setup", environment=checkout.without_terraform)
    assert kept.returncode == 0, kept.stdout
    assert "Downloading" not in kept.stdout


def test_a_missing_mirror_and_registry_are_reported_in_one_sentence_with_the_fix(checkout: Checkout) -> None:
    """The lock names a version that no mirror has."""
    stack = "terraform/stacks/hub"
    checkout.replace(f"{stack}/.terraform.lock.hcl", '"5.100.0"', f'"{VERSION_OF_NO_MIRROR}"')
    checkout.replace(f"{stack}/.terraform.lock.hcl", '"~> 5.100"', '"~> 5.99"')
    checkout.replace(f"{stack}/versions.tf", '"~> 5.100"', '"~> 5.99"')
    done = checkout.run("make", "setup", environment=checkout.environment | {"HTTPS_PROXY": NOWHERE})
    assert done.returncode != 0
    assert "Error: Terraform cannot fetch the AWS provider." in done.stdout
    assert "Fix: Check the network, or set TF_PLUGIN_DIR" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_full_disk_is_reported_and_a_killed_attempt_blocks_nothing(tmp_path: Path) -> None:
    """Pip's files may not grow over a megabyte at first; the second try is killed half-way; the third one works."""
    checkout = Checkout(tmp_path)
    full = checkout.run("bash", "-c", "ulimit -f 1000 && exec tools/bootstrap uv --version")
    assert full.returncode == 1, full.stdout
    assert "uv could not be installed from the Python package index" in full.stdout
    assert list((checkout.root / ".tools").iterdir()) == []
    with checkout.start("tools/bootstrap", "uv", "--version") as killed:
        wait_until(lambda: any((checkout.root / ".tools").glob("uv.*")))
        os.killpg(killed.pid, signal.SIGKILL)
    assert [path.name for path in (checkout.root / ".tools").iterdir()] != ["uv"]
    done = checkout.run("tools/bootstrap", "uv", "--version")
    assert done.returncode == 0, done.stdout
    assert [path.name for path in (checkout.root / ".tools").iterdir()] == ["uv"]
