"""`fidgety bundle ...`: the model bundle. `build` is the only command of all that fetches anything."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fidgety.commands.options import BundlePath, bundle_place, load_bundle, log
from fidgety.errors import UsageError

if TYPE_CHECKING:
    from fidgety.bundle import Bundle

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
    own_pose: Annotated[
        Path | None, typer.Option("--pose", help="ONNX pose network of your own (heat maps or SimCC) in its place.")
    ] = None,
    description: Annotated[
        Path | None,
        typer.Option("--pose-description", help="What it reads and gives (default: .toml or .json beside it)."),
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Its version, as 0.2.0 (default: that of the program that trained).")
    ] = None,
    is_forced: Annotated[bool, typer.Option("--force", help="Build even if the bundle is up to date.")] = False,
    bundle_path: BundlePath = None,
) -> None:
    """Fetch the pose network (once), convert and prove it, add MAM, write the bundle."""
    from fidgety.bundle import open_bundle

    path = bundle_place(bundle_path)
    try:
        from fidgety.export.fetch import default_cache_dir
        from fidgety.export.own_pose import read_own_pose
        from fidgety.export.publish import build_bundle, is_current
    except ModuleNotFoundError as error:
        raise UsageError(f"building a bundle needs {error.name}: pip install 'fidgety[export]'") from error
    if own_pose is None and description is not None:
        raise UsageError("--pose-description describes a network: name it with --pose")
    if version is not None and re.fullmatch(r"\d+(\.\d+)*", version, re.ASCII) is None:
        raise UsageError(f"--version {version!r} is no number such as 1.4.0")
    own = None if own_pose is None else read_own_pose(own_pose, description)
    if own is None and not is_forced and is_current(path, variant.value, mam, version):
        print(f"bundle {open_bundle(path).label} at {path} is up to date")
        return
    bundle, parity = build_bundle(path, variant.value, default_cache_dir(), offline, mam, own, version)
    log(str(parity))
    if own is not None:
        log((bundle.path / "own_pose_gate.txt").read_text(encoding="utf-8").strip())
    print(f"bundle {bundle.label} written to {path}")


@app.command("show")
def show(bundle_path: BundlePath = None) -> None:
    """Print the manifest of a bundle whose files are all what it names, and what its precisions were kept for."""
    import json

    from fidgety.bundle.manifest import PRECISION_REPORT

    bundle = load_bundle(bundle_path)
    print(f"{bundle.label} at {bundle.path}, {_signed(bundle)}")
    print((bundle.path / "manifest.json").read_text(encoding="utf-8"), end="")
    if PRECISION_REPORT in bundle.manifest.files:
        print("\n".join(json.loads(bundle.file(PRECISION_REPORT).read_bytes())["table"]))


@app.command("verify")
def verify(bundle_path: BundlePath = None) -> None:
    """Check every file of a bundle against its manifest, and the manifest against its signature."""
    bundle = load_bundle(bundle_path)
    print(f"{bundle.label}: {len(bundle.manifest.files)} files are what the manifest names; {_signed(bundle)}")


@app.command("key")
def key(
    out: Annotated[Path, typer.Argument(help="File for the private key; the public one is put beside it.")],
) -> None:
    """Make a key pair to sign with, and to trust. $FIDGETY_KEY_PASSPHRASE locks the private key."""
    from fidgety.bundle.signature import key_folder, make_key

    key_id = make_key(out)
    print(f"key {key_id} written to {out} (keep it secret) and {out}.pub (copy it to {key_folder()} of each device)")


@app.command("reference")
def reference(bundle_path: BundlePath = None) -> None:
    """Put what this box, known to be fit, measures of the phantom into a bundle, before it is signed: what it is held
    against wherever it is installed. On the CPU, which every other device is proved against."""
    from fidgety.bundle import open_bundle
    from fidgety.device.selftest import record_reference
    from fidgety.device.selftest_reference import put_reference

    path = bundle_place(bundle_path)
    bundle = open_bundle(path)
    changed = put_reference(path, bundle, record_reference(bundle))
    print(f"bundle {changed.label} at {path} brings its self-test reference; sign it anew where it goes to other boxes")


@app.command("sign")
def sign(
    key_path: Annotated[Path, typer.Option("--key", help="Private key that `bundle key` made.")],
    bundle_path: BundlePath = None,
) -> None:
    """Sign a bundle, so that devices which trust the key may install it."""
    from fidgety.bundle import open_bundle
    from fidgety.bundle.signature import sign_bundle

    bundle = open_bundle(bundle_place(bundle_path))
    print(f"{bundle.label} signed with the key {sign_bundle(bundle, key_path)}")
    _note_reference(bundle)


@app.command("pack")
def pack(
    out: Annotated[Path, typer.Argument(help="File to write, such as a USB stick's demo.fidgety.")],
    bundle_path: BundlePath = None,
) -> None:
    """Write a bundle into one file."""
    from fidgety.bundle.one_file import pack_bundle

    bundle = load_bundle(bundle_path)
    pack_bundle(bundle, out)
    print(f"{bundle.label} written to {out}, {_signed(bundle)}")


@app.command("install")
def install(
    source: Annotated[Path, typer.Argument(help="A bundle's folder, or the file that `bundle pack` wrote.")],
    bundle_path: BundlePath = None,
) -> None:
    """Put a signed bundle of a higher version into use; the one before is kept."""
    from fidgety.bundle.install import install_bundle

    path = bundle_place(bundle_path)
    bundle = install_bundle(source, path)
    print(f"bundle {bundle.label} is in use at {path}")
    _note_reference(bundle)


@app.command("rollback")
def rollback(bundle_path: BundlePath = None) -> None:
    """Put the bundle before into use again."""
    from fidgety.bundle.install import roll_back

    path = bundle_place(bundle_path)
    print(f"bundle {roll_back(path).label} is in use at {path} again")


@app.command("diff")
def diff(
    one: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    other: Annotated[Path, typer.Argument(help="Another one's.")],
) -> None:
    """Print what two bundles differ in, key by key."""
    from fidgety.bundle import open_bundle
    from fidgety.bundle.difference import differences

    first, second = open_bundle(one), open_bundle(other)
    print(f"{first.label} -> {second.label}")
    for line in differences(first, second):
        print(line)


def _note_reference(bundle: Bundle) -> None:
    """Say where boxes cannot test themselves with the bundle, since the service scores nothing there."""
    from fidgety.device.selftest_reference import brings_reference

    if not brings_reference(bundle):
        log(
            "note: the bundle brings no self-test reference, and `fidgety serve` scores nothing with it until "
            "`fidgety device selftest --record` was run on the box; its maker spares every box that by "
            "`fidgety bundle reference` before `sign`"
        )


def _signed(bundle: Bundle) -> str:
    """Who signed a bundle that `load_bundle` took, as far as this device can tell."""
    from fidgety.bundle.signature import key_folder, signer_of, trusted_keys

    keys = trusted_keys(key_folder())
    if not keys:
        return f"its maker is not checked: no key is trusted in {key_folder()}"
    return f"signed with the trusted key {signer_of(bundle, keys)}"
