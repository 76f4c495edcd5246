"""Does the base install resolve for a Jetson, and how large is it? Needs the package registry, not a Jetson.

    python benchmarks/aarch64_wheels.py [--out wheels.json]

For each Python of JetPack (6: 3.10 on Ubuntu 22.04, 7: 3.12 on Ubuntu 24.04) pip fetches wheels only, for aarch64 and
that system's C library, into a temporary folder. pip judges environment markers (`platform_machine == ...`) by the
machine that it runs on, so every wheel's requirements are judged again here as the Jetson would, and a requirement that
no fetched wheel meets is an error. Sizes: as fetched, and unpacked.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib  # type: ignore[no-redef]

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
MOST_MB = 500
TARGETS = {"JetPack 6": ("3.10", 35), "JetPack 7": ("3.12", 39)}  # Python, minor version of the C library


def base_requirements() -> list[str]:
    return list(tomllib.loads(PROJECT.read_text())["project"]["dependencies"])


def environment(python: str) -> dict[str, str]:
    """What markers see on that Jetson."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_machine": "aarch64",
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "extra": "",
    }


def fetch(requirements: list[str], python: str, glibc_minor: int, folder: Path) -> None:
    """Wheels of all that the requirements need; pip's own words and the end of the program where one is missing."""
    platforms = [f"manylinux_2_{minor}_aarch64" for minor in range(17, glibc_minor + 1)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--implementation", "cp", "--python-version", python, "--platform", "manylinux2014_aarch64"]
    for platform in platforms:
        command += ["--platform", platform]
    subprocess.run([*command, *requirements], check=True)


def unmet(wheels: dict[str, str], requirements: list[str], folder: Path, python: str) -> list[str]:
    """Requirements that hold on the Jetson and that no fetched wheel meets."""
    wanted = [("fidgety", Requirement(text)) for text in requirements]
    for path in folder.glob("*.whl"):
        with zipfile.ZipFile(path) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            metadata = Parser().parsestr(archive.read(name).decode())
        wanted += [(path.name, Requirement(text)) for text in metadata.get_all("Requires-Dist") or []]
    missing = []
    for asker, requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate(environment(python)):
            continue
        found = wheels.get(canonicalize_name(requirement.name))
        if found is None or found not in requirement.specifier:
            missing.append(f"{asker} wants {requirement}, found {found}")
    return missing


def resolve(python: str, glibc_minor: int) -> dict[str, object]:
    requirements = base_requirements()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        fetch(requirements, python, glibc_minor, folder)
        rows, versions = [], {}
        for path in sorted(folder.glob("*.whl")):
            name, version, *_ = parse_wheel_filename(path.name)
            versions[name] = str(version)
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(info.file_size for info in archive.infolist())
            rows.append(
                {
                    "name": name,
                    "version": str(version),
                    "fetched_mb": round(path.stat().st_size / 1e6, 1),
                    "unpacked_mb": round(unpacked / 1e6, 1),
                }
            )
        missing = unmet(versions, requirements, folder, python)
    return {
        "python": python,
        "wheels": rows,
        "fetched_mb": round(sum(row["fetched_mb"] for row in rows), 1),
        "unpacked_mb": round(sum(row["unpacked_mb"] for row in rows), 1),
        "unmet": missing,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    given = parser.parse_args()
    results = {name: resolve(python, glibc) for name, (python, glibc) in TARGETS.items()}
    for name, result in results.items():
        print(f"\n{name}: Python {result['python']}, aarch64")
        for row in result["wheels"]:
            print(f"  {row['name']:<26}{row['version']:<12}{row['fetched_mb']:>7.1f} MB{row['unpacked_mb']:>8.1f} MB")
        print(f"  {'in all':<38}{result['fetched_mb']:>7.1f} MB{result['unpacked_mb']:>8.1f} MB")
        for line in result["unmet"]:
            print(f"  NOT MET: {line}")
    if given.out is not None:
        given.out.write_text(json.dumps(results, indent=1) + "\n")
    is_bad = any(result["unmet"] or result["unpacked_mb"] > MOST_MB for result in results.values())
    sys.exit(1 if is_bad else 0)


main()
