"""What root may do here: root in a container may have less than root on a machine (capabilities(7))."""

from pathlib import Path

# linux/capability.h
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}


def missing_capabilities() -> list[str]:
    """The capabilities that a lab needs and this process lacks."""
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return [name for name, bit in CAPABILITIES.items() if not effective >> bit & 1]
