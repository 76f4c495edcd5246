from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fidgety

PACKAGE = Path(fidgety.__file__).parent
TRAINING_ONLY = (
    "torch",
    "onnx",
    "tflite",
    "ai_edge_litert",
    "matplotlib",
    "pydantic",
    "scipy",
    "sklearn",
    "tensorrt",
    "distributed",
)
BASE = {"bundle", "durable", "records", "skeleton", "errors"}
PLAIN_MODULES = ("infant", "demo_files", "records", "skeleton", "errors", "durable", "__init__")
MIDDLE = ("export", "calibration", "device", "training", "phantom", "report")


def imported_by(path: Path) -> set[str]:
    """Full names of all modules that a file imports, at the top or inside functions; not those for the type checker."""
    return set(_imports(ast.parse(path.read_text(encoding="utf-8"))))


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"relative import of {node.module}"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child)


def parts_of(path: Path) -> set[str]:
    """The parts of this package that a file imports: 'runtime', 'bundle' and so on."""
    return {name.split(".")[1] for name in imported_by(path) if name.startswith("fidgety.")}


def files_of(part: str) -> list[Path]:
    return sorted((PACKAGE / part).rglob("*.py"))


@pytest.mark.parametrize("path", files_of("runtime"), ids=lambda path: path.stem)
def test_runtime_imports_only_what_lies_below_it(path: Path) -> None:
    assert parts_of(path) <= BASE | {"runtime"}


@pytest.mark.parametrize("path", files_of("runtime"), ids=lambda path: path.stem)
def test_runtime_imports_no_training_package(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported_by(path)} & set(TRAINING_ONLY)


@pytest.mark.parametrize("path", files_of("cohort"), ids=lambda path: path.stem)
def test_cohort_imports_only_what_lies_below_it(path: Path) -> None:
    assert parts_of(path) <= BASE | {"cohort", "infant", "runtime"}


@pytest.mark.parametrize("path", files_of("batch"), ids=lambda path: path.stem)
def test_batch_imports_only_what_lies_below_it(path: Path) -> None:
    assert parts_of(path) <= BASE | {"__version__", "batch", "cohort", "device", "infant", "report", "runtime"}


def test_distributed_is_imported_for_the_cluster_only() -> None:
    users = {path for path in PACKAGE.rglob("*.py") if "distributed" in {n.split(".")[0] for n in imported_by(path)}}
    assert users == {PACKAGE / "batch" / "cluster.py"}


@pytest.mark.parametrize("path", files_of("device"), ids=lambda path: path.stem)
def test_device_imports_no_training_package(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported_by(path)} & set(TRAINING_ONLY)


@pytest.mark.parametrize("name", PLAIN_MODULES)
def test_plain_modules_import_only_each_other(name: str) -> None:
    assert parts_of(PACKAGE / f"{name}.py") <= BASE


@pytest.mark.parametrize("path", files_of("bundle"), ids=lambda path: path.stem)
def test_bundle_imports_only_what_lies_below_it(path: Path) -> None:
    assert parts_of(path) <= BASE


def test_nothing_but_the_command_line_imports_the_command_line() -> None:
    for part in (*MIDDLE, "cohort", "runtime"):
        for path in files_of(part):
            assert not parts_of(path) & {"cli", "commands", "batch", "progress"}, path


def test_torch_is_imported_by_training_and_export_only() -> None:
    users = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if "torch" in {name.split(".")[0] for name in imported_by(path)}
    }
    assert users <= {"training", "export"}


def test_pydantic_is_imported_for_the_rows_of_tables_only() -> None:
    users = {path for path in PACKAGE.rglob("*.py") if "pydantic" in {n.split(".")[0] for n in imported_by(path)}}
    assert users == {PACKAGE / "cohort" / "tables.py", PACKAGE / "training" / "evaluation" / "rows.py"}


def run_fresh(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new process in which nothing that only training needs can be imported."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({TRAINING_ONLY!r}))\n"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", blocked + code], capture_output=True, text=True, timeout=60, check=False
    )


def test_run_fresh_does_block_what_it_says() -> None:
    result = run_fresh("import torch")
    assert result.returncode != 0 and "ModuleNotFoundError" in result.stderr


@pytest.mark.parametrize(
    "module",
    [
        "fidgety.runtime.pipeline",
        "fidgety.runtime.tensorrt_session",
        "fidgety.cli",
        "fidgety.batch",
        "fidgety.device.engines",
        "fidgety.phantom.cohort_files",
    ],
)
def test_import_in_a_fresh_process_needs_no_training_package(module: str) -> None:
    result = run_fresh(f"import {module}, sys; print([n for n in {TRAINING_ONLY!r} if sys.modules.get(n)])")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_import_of_the_command_line_loads_nothing_heavy() -> None:
    result = run_fresh(
        "import fidgety.cli, sys; print([n for n in ('numpy', 'cv2', 'av', 'onnxruntime') if n in sys.modules])"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"
