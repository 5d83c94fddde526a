"""The zip of all functions: same sources, same bytes."""

import os
import zipfile

from tools.stack.directory import StackDirectory
from tools.stack.package import build_package, package_bytes
from tools.stack.project import Project


def test_equal_sources_give_equal_bytes_at_any_time(project: Project) -> None:
    """Times and modes of files must not reach the digest, or each checkout would deploy again."""
    first = package_bytes(project)
    handler = project.root / "functions/broadcast/publish/handler.py"
    os.utime(handler, (1, 1))
    handler.chmod(0o600)
    assert package_bytes(project) == first


def test_a_changed_source_gives_another_digest(project: Project, directory: StackDirectory) -> None:
    """That is how `up` sees that code has changed."""
    first = build_package(project, directory.package)
    (project.root / "shared/loudhailer/ids.py").write_text("IDS = 2\n")
    assert build_package(project, directory.package) != first


def test_a_renamed_source_gives_another_digest(project: Project, directory: StackDirectory) -> None:
    """Names are part of the code."""
    first = build_package(project, directory.package)
    (project.root / "shared/loudhailer/ids.py").rename(project.root / "shared/loudhailer/names.py")
    assert build_package(project, directory.package) != first


def test_the_package_contains_functions_and_shared_code_and_no_caches(
    project: Project, directory: StackDirectory
) -> None:
    """`functions.broadcast.publish.handler.handler` must be importable from it, and so must `loudhailer`."""
    cache = project.root / "functions/broadcast/publish/__pycache__/handler.cpython-313.pyc"
    cache.parent.mkdir()
    cache.write_bytes(b"compiled")
    build_package(project, directory.package)
    with zipfile.ZipFile(directory.package) as archive:
        assert archive.namelist() == [
            "functions/__init__.py",
            "functions/broadcast/publish/handler.py",
            "loudhailer/ids.py",
        ]
        assert archive.testzip() is None


def test_an_unchanged_zip_is_not_written_again(project: Project, directory: StackDirectory) -> None:
    """Terraform reads the file while it applies."""
    digest = build_package(project, directory.package)
    os.utime(directory.package, (1, 1))
    assert build_package(project, directory.package) == digest
    assert directory.package.stat().st_mtime == 1


def test_a_damaged_zip_is_written_again(project: Project, directory: StackDirectory) -> None:
    """A crash while it was written must not be deployed."""
    build_package(project, directory.package)
    whole = directory.package.read_bytes()
    directory.package.write_bytes(whole[:50])
    build_package(project, directory.package)
    assert directory.package.read_bytes() == whole
