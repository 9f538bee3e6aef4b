"""The shape of the source: which way imports point, what the top level holds, what a file owes its reader."""

import ast
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE_FOLDERS = {
    "dataplane": ROOT / "dataplane",
    "control": ROOT / "control",
    "netns_lab": ROOT / "netns-lab" / "netns_lab",
    "bench": ROOT / "bench",
}
MAY_IMPORT = {
    "dataplane": {"dataplane"},
    "control": {"control", "dataplane"},
    "netns_lab": {"netns_lab", "control", "dataplane"},
    "bench": {"bench", "netns_lab", "control", "dataplane"},
}
TOP_LEVEL = {
    *("pyproject.toml", "setup.py", "README.md", "LICENSE", "quadlink"),
    *("dataplane", "control", "netns-lab", "bench", "tests", "docs"),
}
MAXIMUM_LINES = 450

PACKAGE_MODULES = [
    pytest.param(package, path, id=str(path.relative_to(ROOT)))
    for package, folder in PACKAGE_FOLDERS.items()
    for path in sorted(folder.rglob("*.py"))
]
SOURCES = [
    pytest.param(path, id=str(path.relative_to(ROOT)))
    for folder in (*PACKAGE_FOLDERS.values(), ROOT / "tests")
    for pattern in ("*.py", "*.c", "*.h")
    for path in sorted(folder.rglob(pattern))
    if path.name != "_core.c"
]


def imported_packages(tree: ast.Module) -> set[str]:
    """Top-level names of all absolute imports, wherever in the module they stand."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module or "")
    return {name.split(".")[0] for name in names}


def tracked_top_level() -> set[str]:
    """Top-level names under version control; where there is no git, what is there."""
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        generated = {"build", "dist", "quadlink.egg-info"}
        return {path.name for path in ROOT.iterdir()} - generated
    return {line.split("/")[0] for line in listing.splitlines()}


@pytest.mark.parametrize(("package", "path"), PACKAGE_MODULES)
def test_imports_point_one_way(package: str, path: Path) -> None:
    own = imported_packages(ast.parse(path.read_text())) & {*PACKAGE_FOLDERS, "tests"}
    assert own <= MAY_IMPORT[package], f"{package} may import only {sorted(MAY_IMPORT[package])}"


def test_imports_are_found_in_every_form() -> None:
    source = "import bench.smoke as b\nfrom . import near\ndef f():\n    from control.bgp import rib\n"
    assert imported_packages(ast.parse(source)) == {"bench", "control"}


@pytest.mark.parametrize("path", SOURCES)
def test_file_is_short_and_a_module_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAXIMUM_LINES
    if path.suffix == ".py":
        assert ast.get_docstring(ast.parse(text)), "the module begins with no docstring"


def test_top_level_holds_the_layout_and_nothing_else() -> None:
    visible = {name for name in tracked_top_level() if not name.startswith(".")}
    assert visible == TOP_LEVEL


def test_every_package_folder_is_installed() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = set(tomllib.load(file)["tool"]["setuptools"]["packages"])
    found = {
        ".".join((package, *path.parent.relative_to(folder).parts))
        for package, folder in PACKAGE_FOLDERS.items()
        for path in folder.rglob("*.py")
    }
    assert found == listed
    assert all((folder / "__init__.py").exists() for folder in PACKAGE_FOLDERS.values())
