"""A process that holds keys in a SecY of the C core, and none in Python, for test_keys.py to look into.

`key_holder.py LIBRARY OCTETS FD`: a command on each line of stdin, answered with its result on a line. A key
comes through FD right into memory that is overwritten when the core has it.
"""

import os
import sys

from dataplane._core import ffi, lib

OWN, PEER = (bytes([2, 0, 0, 0, 0, i, 0, 1]) for i in range(2))
LAST_PN = 2**32 - 1


def main(library: str, octets: int, descriptor: int) -> None:
    """Serves until the end of stdin."""
    config = ffi.new(
        "ql_secy_config *",
        {"sci": OWN, "sak_octets": octets, "protect_frames": 1, "validate_frames": lib.QL_VALIDATE_STRICT},
    )
    secy = lib.ql_secy_new(config, library.encode(), ffi.NULL)
    key = ffi.new("uint8_t[]", octets)
    sak = ffi.new("ql_sak *", {"key": key, "encrypt": 1})
    frame = ffi.new("uint8_t[]", 128)
    place = ffi.new("uint32_t[]", 1), ffi.new("uint32_t[]", 1), ffi.new("uint8_t[]", 1)
    batch = ffi.new("ql_batch *", (frame, len(frame), 1, *place))

    def install() -> int:
        os.readv(descriptor, [ffi.buffer(key)])
        result = lib.ql_secy_install_transmit_sa(secy, 0, sak, 1, LAST_PN)
        result |= lib.ql_secy_install_receive_sa(secy, PEER, 0, sak, 1)
        ffi.memmove(key, bytes(octets), octets)
        return int(result)

    def use() -> int:
        place[0][0], place[1][0] = 32, 64
        lib.ql_secy_protect(secy, batch)
        lib.ql_secy_validate(secy, batch)
        return 0

    def remove() -> int:
        return int(lib.ql_secy_remove_transmit_sa(secy, 0) | lib.ql_secy_remove_receive_sa(secy, PEER, 0))

    def close() -> int:
        lib.ql_secy_free(secy)
        return 0

    commands = {"install": install, "use": use, "remove": remove, "close": close}
    for line in sys.stdin:
        print(commands[line.strip()](), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
