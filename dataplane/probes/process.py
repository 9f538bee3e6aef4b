"""The process in which probes run, a thread for each native loop; no other Python runs in it meanwhile.

Its standard input is the owner's end of its life: first one line of JSON, which says what to run, then
nothing until the owner closes it or dies. It writes one line when the loops are about to begin, then the
number of each that ended, and ends when all have.
"""

import json
import mmap
import os
import threading
from typing import Any

from dataplane._core import ffi, lib

STDIN, STDOUT = 0, 1


def main() -> None:
    """Does what the line on standard input says: {"memory": descriptor, "jobs": [job, ...]}.

    A job is [function, struct, {field: value}, core or null]. Pointers are offsets into the memory, or null.
    """
    with os.fdopen(STDIN, "rb", buffering=0, closefd=False) as lines:
        plan = json.loads(lines.readline())
    memory = mmap.mmap(plan["memory"], 0)
    base = int(ffi.cast("uintptr_t", ffi.from_buffer(memory)))
    threads = [
        threading.Thread(target=_run, args=(number, base, *job)) for number, job in enumerate(plan["jobs"])
    ]
    threading.Thread(target=_end_with_owner, daemon=True).start()
    os.write(STDOUT, b"begin\n")
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _run(
    number: int, base: int, function: str, struct: str, fields: dict[str, Any], core: int | None
) -> None:
    described = ffi.new(f"{struct} *")
    for name, field in ffi.typeof(struct).fields:
        value = fields[name]
        if field.type.kind == "pointer":
            value = ffi.cast(field.type, 0 if value is None else base + value)
        setattr(described, name, value)
    if core is not None:
        os.sched_setaffinity(0, {core})
    getattr(lib, function)(described)
    os.write(STDOUT, b"%d\n" % number)


def _end_with_owner() -> None:
    os.read(STDIN, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
