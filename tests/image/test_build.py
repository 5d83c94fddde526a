"""Contents that the build puts into the image, and refusals of the build."""

import hashlib
import io
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.conftest import ROOT
from tools.errors import OperatorError
from tools.image import wheels
from tools.image.build import LARGEST_BYTES, BuiltImage, build, megabytes, own_platform
from tools.image.engine import ContainerEngine

# https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html, and of arm64 https://github.com/ARM-software/abi-aa.
_ELF_MACHINES = {"amd64": 62, "arm64": 183}
_GLIBC = re.compile(rb"GLIBC_2\.(\d+)")


@pytest.fixture(scope="session")
def files(engine: ContainerEngine, image: BuiltImage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file below /var/task in the image, by its path there."""
    return _files(engine, image.tag, "var/task/", tmp_path_factory.mktemp("image"))


def _files(engine: ContainerEngine, tag: str, folder: str, scratch: Path) -> dict[str, bytes]:
    archive = scratch / "root.tar"
    container = engine.run("create", tag, "none")
    try:
        engine.run("export", "--output", str(archive), container)
    finally:
        engine.run("rm", container)
    return dict(_members(archive, folder))


def _members(archive: Path, folder: str) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and member.name.startswith(folder):
                content = tar.extractfile(member) or io.BytesIO()
                yield member.name.removeprefix(folder), content.read()


def test_our_layers_are_small(image: BuiltImage, capsys: pytest.CaptureFixture[str]) -> None:
    """The build itself refuses an image that is too large; here its size is printed."""
    with capsys.disabled():
        print(f"  {megabytes(image.added_bytes)} on top of {image.base}")  # noqa: T201
    assert 0 < image.added_bytes <= LARGEST_BYTES


def test_two_builds_give_the_same_layers(engine: ContainerEngine, image: BuiltImage) -> None:
    """The same sources are the same bytes, whenever they are built."""
    again = build(ROOT, engine, platform=own_platform(engine), tag="loudhailer:again", base=image.base, fresh=True)
    of_base = len(_layers(engine, image.base))
    assert _layers(engine, again.tag)[of_base:] == _layers(engine, image.tag)[of_base:]


def _layers(engine: ContainerEngine, tag: str) -> list[str]:
    return engine.run("image", "inspect", "--format", "{{range .RootFS.Layers}}{{println .}}{{end}}", tag).split()


def test_the_image_contains_only_shipped_files(files: dict[str, bytes]) -> None:
    """The functions and what they need; no tests, no tools, nothing to build or install with."""
    ours = {path.split("/")[0] for path in files if not path.split("/")[0].endswith(".dist-info")}
    assert {"clients", "functions", "loudhailer", "boto3", "pycurl"} <= ours
    assert not ours & {"tests", "tools", "pip", "pytest", "setuptools", "wheel", "bin", "share"}
    assert [path for path in files if re.search(r"(^|/)(tests?|testing)/", path)] == []
    assert [path for path in files if path.endswith((".c", ".h", ".a", ".pyi.in"))] == []


def test_every_module_is_compiled(files: dict[str, bytes]) -> None:
    """A cold start compiles nothing, and could not keep it."""
    sources = {path for path in files if path.endswith(".py")}
    compiled = {re.sub(r"__pycache__/([^/]+)\.cpython-313\.pyc$", r"\1.py", path) for path in files}
    assert sources - compiled == set()


def test_libraries_run_on_amazon_linux(files: dict[str, bytes]) -> None:
    """None of them asks for a symbol of a glibc newer than 2.34."""
    libraries = {path: content for path, content in files.items() if content.startswith(b"\x7fELF")}
    assert libraries
    newest = {path: max(map(int, _GLIBC.findall(content)), default=0) for path, content in libraries.items()}
    assert {path: minor for path, minor in newest.items() if minor > 34} == {}


def test_the_other_platform_needs_no_emulation(engine: ContainerEngine, image: BuiltImage, tmp_path: Path) -> None:
    """Its libraries are installed by this machine's Python; what the final stage adds is files alone."""
    other = next(name for name in wheels.MACHINES if name != own_platform(engine).removeprefix("linux/"))
    wheels.fetch(wheels.locked_requirements(ROOT), other, ROOT / "build" / "image" / other)
    engine.run(
        *("build", "--progress", "plain", "--network", "none", "--platform", f"linux/{other}", "--target", "build"),
        *("--build-arg", f"BASE={image.base}", "--tag", "loudhailer:other"),
        *("--file", str(ROOT / "images" / "lambda" / "Dockerfile"), str(ROOT)),
    )
    found = _files(engine, "loudhailer:other", "dependencies/var/task/", tmp_path)
    machines = {int.from_bytes(content[18:20], "little") for content in found.values() if content[:4] == b"\x7fELF"}
    assert machines == {_ELF_MACHINES[other]}
    assert sum(map(len, found.values())) < LARGEST_BYTES


def test_a_wheel_that_amazon_linux_could_not_run_is_refused(
    engine: ContainerEngine, image: BuiltImage, tmp_path: Path
) -> None:
    """The lock may name it and its hash may be right: it was built for a newer glibc, which the base here may have."""
    machine = wheels.MACHINES[own_platform(engine).removeprefix("linux/")]
    checkout = tmp_path / "checkout"
    for folder in ("images", "functions", "shared", "clients"):
        shutil.copytree(ROOT / folder, checkout / folder)
    context = checkout / "build" / "image" / own_platform(engine).removeprefix("linux/")
    (context / "wheels").mkdir(parents=True)
    wheel = _wheel(context / "wheels", f"cp313-cp313-manylinux_2_35_{machine}")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (context / "requirements.txt").write_text(f"newer==1.0 --hash=sha256:{digest}\n")
    with pytest.raises(OperatorError, match=r"newer==1\.0"):
        engine.run(
            *("build", "--progress", "plain", "--network", "none", "--build-arg", f"BASE={image.base}"),
            *("--file", str(checkout / "images" / "lambda" / "Dockerfile"), str(checkout)),
        )


def _wheel(folder: Path, tag: str) -> Path:
    """A wheel of nothing, for the platform of the tag."""
    path = folder / f"newer-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("newer.py", "")
        archive.writestr("newer-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: newer\nVersion: 1.0\n")
        archive.writestr("newer-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        archive.writestr("newer-1.0.dist-info/RECORD", "")
    return path
