"""`fidgety bundle ...`: the model bundle. `build` is the only command of all that fetches anything."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from fidgety.commands.options import BundlePath, load_bundle, log
from fidgety.errors import UsageError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The model bundle. `build` is the only command that fetches anything.")


class PoseVariant(str, Enum):
    """The pose networks that can be had: speed against accuracy."""

    lite = "lite"
    full = "full"
    heavy = "heavy"


@app.command("build")
def build(
    variant: Annotated[PoseVariant, typer.Option(help="Pose network.")] = PoseVariant.full,
    offline: Annotated[Path | None, typer.Option("--offline", help="Package file already here; fetch nothing.")] = None,
    mam: Annotated[
        Path | None, typer.Option("--mam", help="Folder that training wrote (default: demo weights).")
    ] = None,
    is_forced: Annotated[bool, typer.Option("--force", help="Build even if the bundle is up to date.")] = False,
    bundle_path: BundlePath = None,
) -> None:
    """Fetch the pose network (once), convert and prove it, add MAM, write the bundle."""
    from fidgety.bundle import default_bundle_path, open_bundle

    path = bundle_path or default_bundle_path()
    try:
        from fidgety.export.fetch import default_cache_dir
        from fidgety.export.publish import build_bundle, is_current
    except ModuleNotFoundError as error:
        raise UsageError(f"building a bundle needs {error.name}: pip install 'fidgety[export]'") from error
    if not is_forced and is_current(path, variant.value, mam):
        print(f"bundle {open_bundle(path).label} at {path} is up to date")
        return
    bundle, parity = build_bundle(path, variant.value, default_cache_dir(), offline, mam)
    log(str(parity))
    print(f"bundle {bundle.label} written to {path}")


@app.command("show")
def show(bundle_path: BundlePath = None) -> None:
    """Print the manifest of a bundle whose files are all what it names."""
    bundle = load_bundle(bundle_path)
    print(f"{bundle.label} at {bundle.path}")
    print((bundle.path / "manifest.json").read_text(encoding="utf-8"), end="")


@app.command("verify")
def verify(bundle_path: BundlePath = None) -> None:
    """Check every file of a bundle against its manifest."""
    bundle = load_bundle(bundle_path)
    print(f"{bundle.label}: {len(bundle.manifest.files)} files are what the manifest names")
