"""Builds dataplane._core: every C file beside this one, bound with cffi in API mode.

Declarations come from the `*_api.h` headers, which hold nothing that cffi cannot parse besides `#include` and
`#pragma` lines. libcrypto is always linked; ipsec-mb where its header is found. QUADLINK_SANITIZE=1 builds
with ASan and UBSan.
"""

import os
import re
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def declarations() -> str:
    """The C declarations of all `*_api.h` headers, each behind those it includes, no preprocessor lines."""
    done: dict[Path, list[str]] = {}

    def read(header: Path) -> None:
        if header in done:
            return
        lines = header.read_text().splitlines()
        for name in re.findall(r'^#include "(\w+_api\.h)"', "\n".join(lines), re.MULTILINE):
            read(HERE / name)
        done[header] = [line for line in lines if not line.startswith("#")]

    for header in sorted(HERE.glob("*_api.h")):
        read(header)
    return "\n".join(line for lines in done.values() for line in lines)


def has_ipsec_mb() -> bool:
    """Whether the compiler will find Intel's multi-buffer library."""
    return any(Path(prefix, "intel-ipsec-mb.h").exists() for prefix in ("/usr/include", "/usr/local/include"))


def extension_options() -> dict[str, list[str] | list[tuple[str, str]]]:
    """Compiler and linker settings for this machine."""
    libraries = ["crypto", "m", "pthread"]
    macros = [("_GNU_SOURCE", "1")]
    if has_ipsec_mb():
        libraries.insert(0, "IPSec_MB")
        macros.append(("QUADLINK_IPSEC_MB", "1"))
    compile_args = ["-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-fvisibility=hidden"]
    link_args: list[str] = []
    if os.environ.get("QUADLINK_SANITIZE"):
        sanitize = [
            "-fsanitize=address,undefined",
            "-fno-omit-frame-pointer",
            "-fno-sanitize-recover=undefined",
        ]
        compile_args += sanitize
        link_args += sanitize
    return {
        "libraries": libraries,
        "define_macros": macros,
        "extra_compile_args": compile_args,
        "extra_link_args": link_args,
    }


def make_builder() -> FFI:
    """The cffi builder of dataplane._core; setuptools demands paths relative to the repository root."""
    builder = FFI()
    builder.cdef(declarations())
    includes = "\n".join(f'#include "{header.name}"' for header in sorted(HERE.glob("*_api.h")))
    builder.set_source(
        "dataplane._core",
        includes,
        sources=[str(source.relative_to(ROOT)) for source in sorted(HERE.glob("*.c"))],
        depends=[str(header.relative_to(ROOT)) for header in sorted(HERE.glob("*.h"))],
        include_dirs=[str(HERE.relative_to(ROOT))],
        **extension_options(),
    )
    return builder


ffibuilder = make_builder()
