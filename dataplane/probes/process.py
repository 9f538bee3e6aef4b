"""The process in which probes run, a thread for each native loop; no other Python runs in it meanwhile.

Its standard input is the owner's end of its life: first one line of JSON, which says what to run, then
nothing until the owner closes it or dies. It writes one line when the loops are about to begin, or why they
cannot, then the number of each that ended, and ends when all have.
"""

import json
import mmap
import os
import threading
from typing import Any

from dataplane._core import ffi, lib

STDIN, STDOUT = 0, 1
BEGIN = b"begin"


def main() -> None:
    """Does what the line on standard input says: {"memory": descriptor, "jobs": [job, ...]}.

    A job is [function, struct, {field: value}, core or null]. A pointer is an offset into the memory, the
    fields of another struct, null, or for a port [namespace, interface]: an AF_XDP socket on that device.
    """
    with os.fdopen(STDIN, "rb", buffering=0, closefd=False) as lines:
        plan = json.loads(lines.readline())
    memory = mmap.mmap(plan["memory"], 0)
    base = int(ffi.cast("uintptr_t", ffi.from_buffer(memory)))
    try:
        described = [_described(struct, fields, base) for _, struct, fields, _ in plan["jobs"]]
    except OSError as error:
        os.write(STDOUT, f"{error}\n".encode())
        return
    threads = [
        threading.Thread(target=_run, args=(number, function, described[number][0], core))
        for number, (function, _, _, core) in enumerate(plan["jobs"])
    ]
    threading.Thread(target=_end_with_owner, daemon=True).start()
    os.write(STDOUT, BEGIN + b"\n")
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _described(struct: str, fields: dict[str, Any], base: int) -> list[Any]:
    """The struct, and behind it what it points to, which lives as long as the list does."""
    described = ffi.new(f"{struct} *")
    kept = [described]
    for name, field in ffi.typeof(struct).fields:
        value = fields[name]
        if isinstance(value, dict):
            kept += (pointed_to := _described(field.type.item.cname, value, base))
            value = pointed_to[0]
        elif isinstance(value, list):
            kept.append(value := _open_port(*value))
        elif field.type.kind == "pointer":
            value = ffi.cast(field.type, 0 if value is None else base + value)
        setattr(described, name, value)
    return kept


def _open_port(namespace: str, interface: str) -> Any:  # noqa: ANN401 - cffi has no types
    import socket

    from dataplane.namespace import inside
    from dataplane.ports.device import xdp_handle

    with inside(namespace):
        try:
            ifindex = socket.if_nametoindex(interface)
        except OSError:
            raise OSError(f"no interface {interface} in namespace {namespace}") from None
        return xdp_handle(ifindex)


def _run(number: int, function: str, described: Any, core: int | None) -> None:  # noqa: ANN401
    if core is not None:
        os.sched_setaffinity(0, {core})
    getattr(lib, function)(described)
    os.write(STDOUT, b"%d\n" % number)


def _end_with_owner() -> None:
    os.read(STDIN, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
