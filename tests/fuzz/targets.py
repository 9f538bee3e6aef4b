"""The fuzz targets: C files beside this one, built with libFuzzer, ASan and UBSan together with the core."""

import os
import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.copies import NATIVE, core_flags

HERE = Path(__file__).resolve().parent
TARGETS = tuple(sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.c")))
INPUT_OCTETS = 800
"""The longest input; several frames and what is done between them fit."""
_SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
_FLAGS = ("-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{NATIVE}", *_SANITIZERS)


def missing() -> str | None:
    """What keeps the targets from being built here, or None."""
    library = f"libclang_rt.fuzzer-{platform.machine()}.a"
    if shutil.which("clang") is None:
        return "needs clang and libclang-rt-dev, which `sudo ./quadlink test` installs"
    found = subprocess.run(["clang", f"-print-file-name={library}"], capture_output=True, text=True)
    if not Path(found.stdout.strip()).is_file():
        return f"needs {library}: install libclang-rt-dev"
    return None


def _clang(*arguments: str | Path) -> None:
    subprocess.run(["clang", *_FLAGS, *map(str, arguments)], check=True)


def build(folder: Path) -> None:
    """Makes an executable for each target in `folder`. Raises CalledProcessError; clang has said why."""
    macros, libraries = core_flags()
    sources = sorted(NATIVE.glob("*.c"))
    objects = [folder / f"{source.stem}.o" for source in sources]

    def compile_one(source: Path, to: Path) -> None:
        _clang(*macros, "-fsanitize=fuzzer-no-link", "-c", source, "-o", to)

    def link_one(target: str) -> None:
        source = HERE / f"fuzz_{target}.c"
        _clang(*macros, "-fsanitize=fuzzer", source, *objects, "-o", folder / target, *libraries)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, sources, objects))
        list(pool.map(link_one, TARGETS))


def kept_corpus(target: str) -> list[bytes]:
    """The inputs that are kept from run to run; the file has one a line, in hexadecimal."""
    return [bytes.fromhex(line) for line in _corpus_file(target).read_text().splitlines()]


def _corpus_file(target: str) -> Path:
    return HERE / "corpus" / f"{target}.hex"


def fuzz(folder: Path, target: str, seconds: int) -> subprocess.CompletedProcess[str]:
    """Runs the kept inputs, then others made of them; the folder `TARGET.corpus` is left with both.

    The exit code is 0 unless an input failed; that one is left in `folder`, and shown in the output.
    """
    corpus = folder / f"{target}.corpus"
    corpus.mkdir(exist_ok=True)
    for number, octets in enumerate(kept_corpus(target)):
        (corpus / f"kept-{number}").write_bytes(octets)
    command = [
        str(folder / target),
        f"-max_total_time={seconds}",
        f"-max_len={INPUT_OCTETS}",
        "-timeout=20",
        "-print_final_stats=1",
        f"-artifact_prefix={folder}/",
        str(corpus),
    ]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def keep(folder: Path, target: str) -> int:
    """Keeps the fewest inputs that reach all that those in `TARGET.corpus` reach; returns how many."""
    fewest = folder / f"{target}.fewest"
    fewest.mkdir()
    options = ("-merge=1", "-use_counters=0", f"-max_len={INPUT_OCTETS}")
    command = [str(part) for part in (folder / target, *options, fewest, folder / f"{target}.corpus")]
    subprocess.run(command, check=True, capture_output=True)
    inputs = sorted(
        (path.read_bytes() for path in fewest.iterdir()), key=lambda octets: (len(octets), octets)
    )
    _corpus_file(target).write_text("".join(f"{octets.hex()}\n" for octets in inputs))
    return len(inputs)
