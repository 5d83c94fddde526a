"""`python -m tools.image`: build the image, pin its base, push it. See images/README.md."""

from pathlib import Path
from typing import Annotated

import typer

from tools.commands import Commands
from tools.console import Terminal
from tools.image import base as bases
from tools.image import registry
from tools.image.build import LARGEST_BYTES, LOCAL_TAG, build, megabytes, own_platform
from tools.image.engine import running_engine

ROOT = Path(__file__).resolve().parents[2]


app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)


@app.command("build")
def build_image(
    *,
    platform: Annotated[str | None, typer.Option(help="linux/arm64 or linux/amd64. Default: the engine's.")] = None,
    tag: Annotated[str, typer.Option(help="The image's name in the engine.")] = LOCAL_TAG,
    release: Annotated[bool, typer.Option("--release", help="On AWS's base by its pinned digest, or not at all.")] = (
        False
    ),
    id_file: Annotated[Path | None, typer.Option(help="Gets the engine's id of the image, sha256:...")] = None,
) -> None:
    """Build the image of all functions for one platform; its size is printed and checked."""
    terminal = Terminal()
    pinned = bases.released(ROOT) if release else None
    with running_engine() as engine:
        platform = platform or own_platform(engine)
        base = pinned or bases.local(ROOT, engine, platform, terminal)
        with terminal.step(f"Building {tag} for {platform}"):
            image = build(ROOT, engine, platform=platform, tag=tag, base=base)
    terminal.show(f"{image.tag} {image.id}")
    terminal.show(f"{megabytes(image.added_bytes)} of {megabytes(LARGEST_BYTES)} on top of {image.base}")
    if id_file is not None:
        id_file.write_text(f"{image.id}\n")


@app.command("push")
def push_image(
    repository: Annotated[str, typer.Argument(help="Where to: HOST/NAME, without a tag.")],
    *,
    tag: Annotated[str, typer.Option(help="Its tag there, the commit: it is never moved.")],
    image: Annotated[str, typer.Option(help="The image's name in the engine.")] = LOCAL_TAG,
    digest_file: Annotated[Path | None, typer.Option(help="Gets the digest that it has there, sha256:...")] = None,
) -> None:
    """Push a built image; prints the digest by which it is deployed."""
    with running_engine() as engine:
        digest = registry.push(engine, image, repository, tag)
    Terminal().show(digest)
    if digest_file is not None:
        digest_file.write_text(f"{digest}\n")


@app.command("pin-base")
def pin_base() -> None:
    """Write down the digest that the tag of AWS's base has now."""
    digest = registry.digest_of_tag(bases.REPOSITORY, bases.TAG)
    (ROOT / bases.PIN).write_text(f"{digest}\n")
    Terminal().show(f"{bases.PIN}: {bases.REPOSITORY}:{bases.TAG} is {digest}")


if __name__ == "__main__":
    app(prog_name="python -m tools.image")
