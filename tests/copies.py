"""For tests that build the C core in another way: copies of the source tree, and the flags of a build."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "dataplane" / "native"
PYTHON = ROOT / ".venv" / "bin" / "python"
COPIED = ("dataplane", "bench", "control", "netns-lab", "tests", "docs", "pyproject.toml", "setup.py")


def core_flags() -> tuple[list[str], list[str]]:
    """Macros and libraries with which the core's C files make a program."""
    from dataplane.native.build import has_ipsec_mb

    if has_ipsec_mb():
        return ["-D_GNU_SOURCE=1", "-DQUADLINK_IPSEC_MB=1"], ["-lIPSec_MB", "-lcrypto", "-lm", "-lpthread"]
    return ["-D_GNU_SOURCE=1"], ["-lcrypto", "-lm", "-lpthread"]


def copy_tree(to: Path) -> Path:
    """A new folder with the sources and the tests, and nothing that was built from them."""
    built = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info", "_core.c", "_core.o")
    to.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name, ignore=built)
        else:
            shutil.copy2(ROOT / name, to / name)
    return to


def build_core(tree: Path, **environment: str) -> None:
    """Builds the copy's core. Raises RuntimeError with what the compiler said."""
    command = [str(PYTHON), "setup.py", "build_ext", "--inplace", "--force"]
    done = subprocess.run(
        command, cwd=tree, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"the core cannot be built:\n{done.stderr}")


def run_tests(
    tree: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs pytest on the copy, whose modules hide those of the checkout."""
    paths = {"PYTHONPATH": f"{tree}:{tree / 'netns-lab'}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [str(PYTHON), "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=tree,
        env={**os.environ, **paths, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
