"""Keys for Wireshark: a folder that it takes for its settings (WIRESHARK_CONFIG_DIR), root's alone.

Wireshark 4.6 reads a list of keys, 4.4 a single one of GCM-AES-128; older ones do not decrypt MACsec. None
decrypts behind a confidentiality offset, or XPN suites without MKA.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from dataplane.client import EngineClient
from dataplane.interface import LinkState
from dataplane.macsec.suites import cipher_suite
from netns_lab.directory import LabError

AES_128_OCTETS = 16


def exported_keys(engine: EngineClient, states: list[LinkState]) -> dict[str, bytes]:
    """The SAKs of links by name, which the engine logs. Raises LabError where they are no help."""
    for state in states:
        if state.macsec is None:
            raise LabError(f"--with-keys: link {state.name} is plain, it has no key")
        if cipher_suite(state.macsec.cipher).xpn or state.macsec.confidentiality_offset:
            raise LabError(
                f"--with-keys: link {state.name} has what Wireshark does not decrypt, an XPN suite or a "
                "confidentiality offset; `--side clear` shows what is in its frames"
            )
    return {state.name: engine.export_sak(state.name).key for state in states}


def write_wireshark_keys(folder: Path, keys: Mapping[str, bytes]) -> None:
    """Writes the settings that let Wireshark decrypt; those that were in the folder before are replaced."""
    folder.mkdir(mode=0o700, exist_ok=True)
    _write(folder / "psk_config_data", "".join(f'{key.hex()},"{name}"\n' for name, key in keys.items()))
    _write(
        folder / "preferences",
        "".join(f"macsec.psk: {key.hex()}\n" for key in keys.values() if len(key) == AES_128_OCTETS),
    )


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
