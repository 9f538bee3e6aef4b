"""The Secure Association Key, IEEE 802.1AE-2018 10.7.26: the one type in which Python holds a key."""

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class Sak:
    """A SAK and what is agreed together with it. Its key is never shown; `key` is the one way to it."""

    key: bytes = field(repr=False)
    """16 or 32 octets, as the cipher suite has it."""
    salt: bytes = b""
    """12 octets with an XPN suite, none with the others."""
    encrypt: bool = True
    """Whether a transmitter encrypts, or protects integrity only. A receiver goes by the frame's E bit."""
    confidentiality_offset: int = 0
    """Octets of User Data that stay in clear when encrypting: 0, 30 or 50; 0 with an XPN suite (10.7.25)."""

    def digest(self) -> bytes:
        """32 octets that tell keys apart and do not tell the key."""
        return hashlib.sha256(self.key).digest()
