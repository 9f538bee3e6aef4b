"""The field types of a topology file: each reads one YAML value or says in one sentence what it expected.

A reader raises `ValueError("expected ...")`; whoever reports it adds place, path and what was found. Each
type carries the JSON Schema of what its reader takes, which is for editors: only the reader decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_interface, ip_network
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BeforeValidator, GetJsonSchemaHandler, SecretStr, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError

from dataplane.macsec.secy import BYPASS_LIMIT, EAPOL_ETHERTYPE, MACSEC_ETHERTYPE
from dataplane.macsec.suites import CIPHER_SUITES
from netns_lab.impairments import KEYS, NONE, read_value
from netns_lab.mounts import KERNEL_DIRECTORIES

AnyInterface = IPv4Interface | IPv6Interface
AnyNetwork = IPv4Network | IPv6Network

LAB_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,19}", re.ASCII)
LAB_NAME_EXPECTED = "1 to 20 of a-z, 0-9 and -, not starting with -"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", re.ASCII)
LINK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", re.ASCII)
INTERFACE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", re.ASCII)

# Words that the command line or the hosts file already give a meaning to.
RESERVED_NODES = frozenset({"all", "controller", "engine", "guard", "lo", "localhost"})
# What a node logs to under its own name already.
RESERVED_SERVICES = frozenset({"exabgp", "exec", "bird", "zebra", "staticd", "bfdd", "bgpd"})
# The kernel's own interface and the two directories beside the interfaces in /proc/sys/net.
RESERVED_INTERFACES = frozenset({"all", "default", "lo"})

CIPHERS = tuple(name.lower() for name in CIPHER_SUITES)
ETHERTYPES = {"lldp": 0x88CC}
_SAK = "[0-9a-fA-F]{32}|[0-9a-fA-F]{64}"
_SALT = "[0-9a-fA-F]{24}"
_SCI = "[0-9a-fA-F]{16}"
_ETHERTYPE = "0x[0-9a-fA-F]{4}"


def not_supported_yet(value: object) -> NoReturn:
    """Refuse any value of a field whose feature does not exist."""
    raise PydanticCustomError("not_supported_yet", "not supported yet")


# A field that the format has and this version does not; declared, so that it is a known name.
NotYet = Annotated[SkipJsonSchema[Any], BeforeValidator(not_supported_yet)]


@dataclass(frozen=True, slots=True)
class Reader(BeforeValidator):
    """Reads one value; `schema` is the JSON Schema of what it takes."""

    schema: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __get_pydantic_json_schema__(self, inner: object, handler: object) -> dict[str, Any]:
        return dict(self.schema)


@dataclass(frozen=True, slots=True)
class Shorthand(BeforeValidator):
    """Turns a short form into the long one, which the field's own type reads; `schema` is the short one's."""

    schema: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __get_pydantic_json_schema__(
        self, inner: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [dict(self.schema), handler(inner)]}


def one_of(*supported: object, not_yet: tuple[object, ...] | None = ()) -> Reader:
    """One of a few values; those in `not_yet` (None: all others) are known but not supported yet."""
    names = ", ".join(str(value).lower() for value in supported)

    def read(value: object) -> object:
        if any(type(value) is type(known) and value == known for known in supported):
            return value
        if not_yet is None or any(type(value) is type(known) and value == known for known in not_yet):
            raise ValueError(f"which is not supported yet, expected one of {names}")
        raise ValueError(f"expected one of {names}")

    return Reader(read, schema={"enum": list(supported)})


def whole(lowest: int, highest: int, what: str) -> Reader:
    """A whole number within bounds, and what it counts; true is not 1."""

    def read(value: object) -> int:
        if type(value) is not int or not lowest <= value <= highest:
            raise ValueError(f"expected a whole number from {lowest} to {highest}")
        return value

    bounds = {"minimum": lowest, "maximum": highest}
    return Reader(read, schema={"type": "integer", **bounds, "description": what})


def matching(pattern: re.Pattern[str], expected: str, reserved: frozenset[str] = frozenset()) -> Reader:
    """Text that matches as a whole and is none of the reserved words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"expected {expected}")
        if value in reserved:
            raise ValueError(f"which is reserved, expected a name other than {', '.join(sorted(reserved))}")
        return value

    schema = {"type": "string", "pattern": f"^{pattern.pattern}$", "description": expected}
    return Reader(read, schema=schema | ({"not": {"enum": sorted(reserved)}} if reserved else {}))


def impairment(key: str) -> Reader:
    """The value of one key of `impair`, as what it changes."""
    schema = {"anyOf": [KEYS[key].schema, {"const": NONE}]}
    return Reader(lambda value: read_value(key, value), schema=schema)


def text(description: str, pattern: str = "") -> WithJsonSchema:
    """The JSON Schema of a value that is written as text."""
    return WithJsonSchema(
        {"type": "string", "description": description} | ({"pattern": f"^{pattern}$"} if pattern else {})
    )


def _unique(values: list[Any]) -> list[Any]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"which names {value} twice, expected it once")
    return values


Impaired = dict[str, Any] | None
LabName = Annotated[str, matching(LAB_NAME, LAB_NAME_EXPECTED)]
NodeName = Annotated[
    str,
    matching(NAME, "1 to 32 letters, digits, - and _, starting with a letter or digit", RESERVED_NODES),
]
LinkName = Annotated[
    str, matching(LINK_NAME, "1 to 80 letters, digits, - and _, starting with a letter or digit")
]
GroupName = Annotated[
    str, matching(NAME, "1 to 32 letters, digits, - and _, starting with a letter or digit")
]
GroupNames = Annotated[list[GroupName], AfterValidator(_unique)]
read_interface_name: Callable[[object], str] = matching(
    INTERFACE_NAME,
    "an interface name of 1 to 15 letters, digits, '-', '_' and '.', starting with a letter or digit",
    RESERVED_INTERFACES,
).func  # type: ignore[assignment]


def _address(value: object) -> AnyInterface:
    expected = "expected an IPv4 or IPv6 address with prefix length, such as 10.0.0.1/24"
    if not isinstance(value, str) or "/" not in value or "%" in value:
        raise ValueError(expected)
    try:
        interface = ip_interface(value)
    except ValueError:
        raise ValueError(expected) from None
    address, network = interface.ip, interface.network
    if (
        address.is_multicast
        or address.is_loopback
        or address.is_reserved
        or address in ip_network("0.0.0.0/8")
        or address.is_unspecified
    ):
        raise ValueError("expected a unicast address")
    if address.version == 6 and address.is_link_local:
        raise ValueError(
            "expected an address that is not link-local; every interface has one of those already"
        )
    if network.num_addresses > 2:
        if address == network.network_address:
            raise ValueError(f"expected an address inside {network}, not the subnet's own")
        if address.version == 4 and address == network.broadcast_address:
            raise ValueError(f"expected an address inside {network}, not its broadcast address")
    return interface


def _host_address(value: object) -> AnyInterface:
    interface = _address(value)
    if interface.network.num_addresses != 1:
        raise ValueError("expected a loopback address with /32 or /128")
    return interface


def _prefix(value: object) -> AnyNetwork:
    expected = "expected an IPv4 or IPv6 prefix such as 10.1.0.0/16"
    if not isinstance(value, str) or "/" not in value or "%" in value:
        raise ValueError(expected)
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        raise ValueError(expected) from None
    if network.network_address != ip_interface(value).ip:
        raise ValueError(f"expected no host bits, as in {network}")
    if network.is_multicast or network.is_loopback or (network.is_link_local and network.version == 6):
        raise ValueError("expected a unicast prefix")
    return network


def _sak(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_SAK, value, re.ASCII):
        raise ValueError("expected a SAK as 32 or 64 hex digits in quotes")
    return value


def _sci(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_SCI, value, re.ASCII):
        raise ValueError("expected an SCI as 16 hex digits in quotes")
    return value.lower()


def _salt(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_SALT, value, re.ASCII):
        raise ValueError("expected a salt as 24 hex digits in quotes")
    return value


def _ethertype(value: object) -> int:
    if isinstance(value, str) and value in ETHERTYPES:
        return ETHERTYPES[value]
    number = int(value, 16) if isinstance(value, str) and re.fullmatch(_ETHERTYPE, value) else value
    if type(number) is not int or not 0x600 <= number <= 0xFFFF:
        raise ValueError(f'expected {" or ".join(ETHERTYPES)}, or an EtherType such as "0x88cc"')
    if number in (EAPOL_ETHERTYPE, MACSEC_ETHERTYPE):
        raise ValueError("which MACsec itself or EAPOL uses, expected another EtherType")
    return number


def _few(values: list[int]) -> list[int]:
    if len(values) > BYPASS_LIMIT:
        raise ValueError(f"expected at most {BYPASS_LIMIT} EtherTypes")
    return values


def _password(value: object) -> str:
    """At most 80 octets (TCP_MD5SIG_MAXKEYLEN), and nothing a configuration file takes for syntax."""
    if not isinstance(value, str) or not re.fullmatch(r"[\w!$%&*+./:<=>?@^|~-]{1,80}", value, re.ASCII):
        raise ValueError("expected text of 1 to 80 letters, digits and any of !$%&*+-./:<=>?@^_|~")
    return value


def _setting(value: object) -> str:
    if type(value) is int:
        return str(value)
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("expected text (in quotes) or a whole number")
    return value


def _command(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected a command line for sh, as text")
    return value


def _file_path(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable():
        raise ValueError("expected an absolute path, such as /etc/app.conf")
    if any(step in ("", ".", "..") for step in value[1:].split("/")):
        raise ValueError("expected the path of a file without `.`, `..`, or `/` twice or at its end")
    if any(value == kernels or value.startswith(f"{kernels}/") for kernels in KERNEL_DIRECTORIES):
        raise ValueError(f"expected a path outside {', '.join(KERNEL_DIRECTORIES)}, which are the kernel's")
    return value


def _file_content(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected the file's content, as text")
    return value


def _apart(files: Mapping[str, str]) -> Mapping[str, str]:
    for path in files:
        for other in files:
            if other.startswith(f"{path}/"):
                raise ValueError(f"where {path} is a file and the directory of {other}, expected one of them")
    return files


_PREFIX = "[0-9A-Fa-f:.]+/[0-9]{1,3}"
InterfaceAddress = Annotated[
    AnyInterface,
    BeforeValidator(_address),
    text("IPv4 or IPv6 address with prefix length, such as 10.0.0.1/24", _PREFIX),
]
LoopbackAddress = Annotated[
    AnyInterface, BeforeValidator(_host_address), text("address with /32 or /128", _PREFIX)
]
Prefix = Annotated[
    AnyNetwork, BeforeValidator(_prefix), text("IPv4 or IPv6 prefix, such as 10.1.0.0/16", _PREFIX)
]
UniquePrefixes = Annotated[list[Prefix], AfterValidator(_unique)]
Sak = Annotated[SecretStr, BeforeValidator(_sak), text("SAK in hex, 128 or 256 bits", f"({_SAK})")]
Salt = Annotated[SecretStr, BeforeValidator(_salt), text("salt of an XPN suite in hex", _SALT)]
Sci = Annotated[str, BeforeValidator(_sci), text("SCI in hex: a MAC address and a port identifier", _SCI)]
Ethertype = Annotated[
    int,
    BeforeValidator(_ethertype),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(ETHERTYPES)},
                {"type": "string", "pattern": f"^{_ETHERTYPE}$"},
                {"type": "integer", "minimum": 0x600, "maximum": 0xFFFF, "description": "EtherType"},
            ]
        }
    ),
]
Ethertypes = Annotated[list[Ethertype], AfterValidator(_unique), AfterValidator(_few)]
Password = Annotated[
    SecretStr, BeforeValidator(_password), text("TCP MD5 key, 1 to 80 characters", ".{1,80}")
]
Setting = Annotated[str, BeforeValidator(_setting), WithJsonSchema({"type": ["string", "integer"]})]
# 0 and the last one are reserved (RFC 7607, RFC 7300).
Asn = Annotated[int, whole(1, 2**32 - 2, "AS number")]
# The least that IPv6 asks of a link (RFC 8200 section 5) up to the usual jumbo frame.
Mtu = Annotated[int, whole(1280, 9216, "octets of an IP packet")]
# Only net.* belongs to a network namespace; any other sysctl would change the whole machine.
SysctlName = Annotated[
    str,
    matching(
        re.compile(r"net(\.[A-Za-z0-9_-]+)+", re.ASCII), "a net.* sysctl, the only kind a node has of its own"
    ),
]
ServiceName = Annotated[
    str,
    matching(NAME, "1 to 32 letters, digits, - and _, starting with a letter or digit", RESERVED_SERVICES),
]
Command = Annotated[str, BeforeValidator(_command), text("command line for sh", r"[\s\S]*\S[\s\S]*")]
FilePath = Annotated[
    str, BeforeValidator(_file_path), text("absolute path, such as /etc/app.conf", "(/[^/]+)+")
]
FileContent = Annotated[str, BeforeValidator(_file_content), WithJsonSchema({"type": "string"})]
Files = Annotated[dict[FilePath, FileContent], AfterValidator(_apart)]
EnvName = Annotated[
    str,
    matching(
        re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII), "letters, digits and _, not starting with a digit"
    ),
]
