"""The zip of all functions that the local AWS runs: project code only, and the same bytes for the same sources."""

import hashlib
import io
import zipfile
from pathlib import Path

from tools.stack.project import Project, files_below

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest time a zip can hold: file times must not reach the digest."""


def package_bytes(project: Project) -> bytes:
    """The zip's bytes: sorted entries, one time, one mode."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for package, folder in sorted(project.code.items()):
            for path in files_below(folder):
                entry = zipfile.ZipInfo(f"{package}/{path.relative_to(folder).as_posix()}", _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = 3
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def build_package(project: Project, target: Path) -> str:
    """Write the zip, unless it is there already; answer its SHA-256."""
    content = package_bytes(project)
    if not target.is_file() or target.read_bytes() != content:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
