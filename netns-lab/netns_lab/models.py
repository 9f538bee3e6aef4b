"""The models of a topology file: which keys it has, what each may hold, what is not supported yet."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from dataplane.macsec.secy import CLEAR_TAG_LIMIT
from dataplane.macsec.suites import CONFIDENTIALITY_OFFSETS
from netns_lab import fields, fields_bgp
from netns_lab.fields import NotYet, impairment, one_of, whole
from netns_lab.impairments import KEYS
from netns_lab.models_bgp import Bgp, BgpSettings
from netns_lab.output import nearest
from netns_lab.plan import ETHERNET
from netns_lab.strict_model import Model


class Service(Model):
    """A program that is kept running in a node."""

    name: fields.ServiceName
    cmd: fields.Command


def _unique_names(services: list[Service]) -> list[Service]:
    names = [service.name for service in services]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"which has two services named {name}, expected a name for each")
    return services


class NodeSettings(Model):
    """What a node and `defaults.node` have in common."""

    kind: Annotated[Literal["router", "host"] | None, one_of("router", "host")] = None
    mtu: fields.Mtu = 1500
    env: dict[fields.EnvName, fields.Setting] = {}
    sysctl: dict[fields.SysctlName, fields.Setting] = {}
    bgp: BgpSettings | None = None
    exec: list[fields.Command] = []
    services: Annotated[list[Service], AfterValidator(_unique_names)] = []
    files: fields.Files = {}


class Node(NodeSettings):
    loopback: list[fields.LoopbackAddress] | None = None
    groups: fields.GroupNames = []
    bgp: Bgp | None = None

    @property
    def is_router(self) -> bool:
        return self.kind == "router" or (self.kind is None and self.bgp is not None)


class Macsec(Model):
    """The SecYs of a link (802.1AE), the same at both ends."""

    cipher: Annotated[
        Literal["gcm-aes-128", "gcm-aes-256", "gcm-aes-xpn-128", "gcm-aes-xpn-256"], one_of(*fields.CIPHERS)
    ] = "gcm-aes-256"
    keys: Annotated[Literal["static"], one_of("static", not_yet=("mka",))] = "static"
    encrypt: bool = True
    confidentiality_offset: Annotated[int, one_of(*CONFIDENTIALITY_OFFSETS)] = 0
    send_sci: bool = True
    end_station: bool = False
    validate_frames: Annotated[
        Literal["strict", "check", "disabled", "null"], one_of("strict", "check", "disabled", "null")
    ] = Field(default="strict", alias="validate")
    protect: bool = True
    replay_protect: bool = True
    replay_window: Annotated[int, whole(0, 2**32 - 1, "packets that a frame may come late by")] = 64
    detect_duplicates: bool = False
    clear_tags: Annotated[int, whole(0, CLEAR_TAG_LIMIT, "VLAN tags in clear before the SecTAG")] = 0
    bypass: fields.Ethertypes = []
    cipher_library: Annotated[
        Literal["auto", "ipsec-mb", "openssl"], one_of("auto", "ipsec-mb", "openssl")
    ] = "auto"
    sak: fields.Sak | None = None
    salt: fields.Salt | None = None
    next_pn: Annotated[int, whole(1, 2**64 - 1, "first packet number of either end")] | None = None
    peer_sci: fields.Sci | None = None
    cak: NotYet = None
    ckn: NotYet = None

    @field_validator("*", mode="before")
    @classmethod
    def _given(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.field_name == "validate_frames":
            raise ValueError('expected strict, check, disabled, or "null" in quotes')
        return super()._given(value, info)


class Impairment(Model):
    """What a link does to the frames of a direction, or of both; None: nothing is said."""

    delay: Annotated[fields.Impaired, impairment("delay")] = None
    jitter: Annotated[fields.Impaired, impairment("jitter")] = None
    jitter_model: Annotated[fields.Impaired, impairment("jitter_model")] = None
    loss: Annotated[fields.Impaired, impairment("loss")] = None
    loss_model: Annotated[fields.Impaired, impairment("loss_model")] = None
    enter_burst: Annotated[fields.Impaired, impairment("enter_burst")] = None
    leave_burst: Annotated[fields.Impaired, impairment("leave_burst")] = None
    loss_in_burst: Annotated[fields.Impaired, impairment("loss_in_burst")] = None
    duplicate: Annotated[fields.Impaired, impairment("duplicate")] = None
    reorder: Annotated[fields.Impaired, impairment("reorder")] = None
    reorder_frames: Annotated[fields.Impaired, impairment("reorder_frames")] = None
    corrupt: Annotated[fields.Impaired, impairment("corrupt")] = None
    rate: Annotated[fields.Impaired, impairment("rate")] = None
    queue: Annotated[fields.Impaired, impairment("queue")] = None

    def changes(self) -> dict[str, Any]:
        """What is said, as fields of an impairment of the engine."""
        said = (getattr(self, key) for key in KEYS)
        return {field: value for changes in said if changes for field, value in changes.items()}


def _direction(value: object) -> object:
    if not isinstance(value, dict | Impairment):
        raise PydanticCustomError("extra_forbidden", "neither a key nor a direction")
    return value


class LinkImpairment(Impairment):
    """The same for both directions, and over it what is said of one: the key is `sender-receiver`."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"propertyNames": {"anyOf": [{"enum": list(KEYS)}, {"pattern": "^.+-.+$"}]}},
    )
    __pydantic_extra__: dict[str, Annotated[Impairment, BeforeValidator(_direction)]] = Field(init=False)

    @property
    def directions(self) -> dict[str, Impairment]:
        return self.__pydantic_extra__


class LinkSettings(Model):
    """What a link, its groups and `defaults.link` have in common."""

    type: Annotated[Literal["macsec", "plain"], one_of("macsec", "plain")] = "macsec"
    peer: bool = True
    port: Annotated[Literal["tap", "xdp", "packet"], one_of("tap", "xdp", "packet")] = "tap"
    mtu: fields.Mtu | None = None
    cost: fields_bgp.Cost = 10
    macsec: Macsec = Macsec()
    impair: Impairment = Impairment()


class Endpoint(Model):
    """One end of a link; `interface` is empty while it waits for its planned name. A raw end is a device of
    the machine, and ETHERNET is in the place of its node."""

    node: str
    interface: str

    @property
    def raw(self) -> bool:
        return self.node == ETHERNET


def _nodes(info: ValidationInfo) -> frozenset[str]:
    """The node names of the file, which the reader of a link hands in as context."""
    return info.context["nodes"] if info.context else frozenset()


def _endpoint(value: object, info: ValidationInfo) -> Endpoint:
    if isinstance(value, Endpoint):
        return value
    if not isinstance(value, str) or value.count(":") != 1:
        raise ValueError('expected NODE:INTERFACE in quotes, such as "r1:eth1"')
    node, interface = value.split(":")
    if node != ETHERNET and node not in _nodes(info):
        raise ValueError(f"expected a known node{nearest(node, _nodes(info))}")
    return Endpoint(node=node, interface=fields.read_interface_name(interface))


def _endpoints(value: object, info: ValidationInfo) -> tuple[object, ...]:
    """Both forms: two `node:interface`, or `a-b` with interfaces to be planned."""
    if isinstance(value, str):
        nodes = _nodes(info)
        cuts = [(value[:at], value[at + 1 :]) for at, sign in enumerate(value) if sign == "-"]
        pairs = [(one, other) for one, other in cuts if one in nodes and other in nodes]
        if len(pairs) > 1:
            raise ValueError(f'which can be read in {len(pairs)} ways, expected ["r1:eth1", "r2:eth1"]')
        if not pairs:
            raise ValueError("expected two known nodes as NODE-NODE")
        return tuple(Endpoint(node=node, interface="") for node in pairs[0])
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError('expected two ends, as ["r1:eth1", "r2:eth1"] or r1-r2')
    return tuple(value)


EndpointField = Annotated[Endpoint, BeforeValidator(_endpoint)]
# NODE:INTERFACE twice, or NODE-NODE; either as `_endpoints` reads it.
ENDPOINTS_SCHEMA = {
    "description": 'both ends, as ["r1:eth1", "r2:eth1"], or r1-r2 with the interfaces named for you',
    "oneOf": [
        {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*-[A-Za-z0-9][A-Za-z0-9_-]*$"},
        {
            "type": "array",
            "items": {
                "type": "string",
                "pattern": f"^{fields.NAME.pattern}:{fields.INTERFACE_NAME.pattern}$",
            },
            "minItems": 2,
            "maxItems": 2,
        },
    ],
}


class Link(LinkSettings):
    name: fields.LinkName = ""
    endpoints: Annotated[
        tuple[EndpointField, EndpointField], BeforeValidator(_endpoints), WithJsonSchema(ENDPOINTS_SCHEMA)
    ]
    addresses: dict[str, list[fields.InterfaceAddress]] = {}
    impair: LinkImpairment = LinkImpairment()
    groups: fields.GroupNames = []

    @property
    def ends(self) -> tuple[str, str]:
        """The nodes at both ends, or ETHERNET."""
        return self.endpoints[0].node, self.endpoints[1].node

    @property
    def nodes(self) -> tuple[str, ...]:
        """The lab's nodes that it leads to."""
        return tuple(end.node for end in self.endpoints if not end.raw)


class Defaults(Model):
    node: NodeSettings = NodeSettings()
    link: LinkSettings = LinkSettings()


class Engine(Model):
    """The process that carries the frames of a lab."""

    workers: Annotated[int, whole(1, 64, "threads that carry frames")] | None = None
    busy_poll: bool = False


class TopologyFile(Model):
    """The outer shape; nodes and links are read one by one, so that one bad link hides no other."""

    name: fields.LabName
    engine: Engine = Engine()
    defaults: Defaults = Defaults()
    nodes: dict[fields.NodeName, Any] = Field(min_length=1)
    links: list[Any] = []
    groups: dict[fields.GroupName, LinkSettings] = {}


class Topology(Model):
    """A checked lab: every node and link complete, in file order."""

    name: str
    nodes: dict[str, Node]
    links: tuple[Link, ...]
    engine: Engine = Engine()
