"""Rtnetlink (RFC 3549): messages, attributes, and a socket that serves one namespace from anywhere.

The kernel works a request off before send returns, and goes on with a dump while it is read, so nothing here
ever waits. Left out: what the messages say, which is up to who sends them, such as dataplane/link_state.py.
"""

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from dataplane.namespace import run_in_namespace

# linux/netlink.h
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP_INTR = 0x1, 0x4, 0x10
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
NLM_F_DUMP = 0x300
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLMSGERR_ATTR_MSG = 1
NLA_TYPE_MASK = 0x3FFF
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 270, 10, 11, 12
SO_RCVBUFFORCE = 33  # asm-generic/socket.h

RECEIVE_BUFFER_OCTETS = 4 << 20
DATAGRAM_OCTETS = 1 << 16
BATCH_REQUESTS = 512
BATCH_OCTETS = 1 << 16
DUMP_ATTEMPTS = 10

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length, type
_INTEGER = struct.Struct("=i")
_UNSIGNED = struct.Struct("=I")


class DecodeError(ValueError):
    """Octets that are not what netlink sends; says what was found."""


class NetlinkError(OSError):
    """The kernel refused a dump or a question; errno and the kernel's own words."""


class Message(NamedTuple):
    """One netlink message; `body` is what follows struct nlmsghdr."""

    type: int
    flags: int
    sequence: int
    body: bytes


class Request(NamedTuple):
    """One change asked of the kernel; `flags` beside REQUEST and ACK; `purpose` prints as what it was for."""

    type: int
    flags: int
    body: bytes
    purpose: object


class Refusal(NamedTuple):
    """A request the kernel did not carry out. ENOBUFS: its answer was lost, so it may or may not have."""

    request: Request
    errno: int
    reason: str

    def __str__(self) -> str:
        return f"{self.request.purpose}: {self.reason}"


def encode_message(message_type: int, flags: int, sequence: int, body: bytes) -> bytes:
    """The message with its header; `body` is padded to four octets already, as attributes are."""
    return _HEADER.pack(_HEADER.size + len(body), message_type, flags, sequence, 0) + body


def decode_messages(datagram: bytes) -> list[Message]:
    """The messages of one datagram; raises DecodeError where one is cut short."""
    messages = []
    position = 0
    while position < len(datagram):
        if len(datagram) - position < _HEADER.size:
            raise DecodeError(f"{len(datagram) - position} octets where a message header of 16 was expected")
        length, message_type, flags, sequence, _ = _HEADER.unpack_from(datagram, position)
        if not _HEADER.size <= length <= len(datagram) - position:
            raise DecodeError(f"message of length {length} in {len(datagram) - position} octets")
        body = datagram[position + _HEADER.size : position + length]
        messages.append(Message(message_type, flags, sequence, body))
        position += _aligned(length)
    return messages


def encode_attribute(attribute_type: int, payload: bytes) -> bytes:
    """The attribute, padded to four octets."""
    length = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(length, attribute_type) + payload + bytes(-length % 4)


def encode_unsigned_attribute(attribute_type: int, value: int) -> bytes:
    """An attribute of 32 bits in host order."""
    return struct.pack("=HHI", 8, attribute_type, value)


def decode_attributes(octets: bytes) -> dict[int, bytes]:
    """Payload by attribute type, the last of each; raises DecodeError where one is cut short."""
    attributes = {}
    position, end = 0, len(octets)
    while position < end:
        if end - position < _ATTRIBUTE.size:
            raise DecodeError(f"{end - position} octets where an attribute was expected")
        length, attribute_type = _ATTRIBUTE.unpack_from(octets, position)
        if not _ATTRIBUTE.size <= length <= end - position:
            raise DecodeError(f"attribute of length {length} in {end - position} octets")
        attributes[attribute_type & NLA_TYPE_MASK] = octets[position + _ATTRIBUTE.size : position + length]
        position += (length + 3) & ~3
    return attributes


def decode_integer(payload: bytes) -> int:
    """An unsigned attribute of 8, 16 or 32 bits in host order; raises DecodeError for other lengths."""
    if len(payload) not in (1, 2, 4):
        raise DecodeError(f"{len(payload)} octets where an integer was expected")
    return int.from_bytes(payload, sys.byteorder)


def decode_answer(message: Message) -> tuple[int, str]:
    """Errno (0: done as asked) and the kernel's words of an NLMSG_ERROR or NLMSG_DONE; raises DecodeError."""
    if len(message.body) < _INTEGER.size:
        raise DecodeError(f"{len(message.body)} octets where an error number was expected")
    number = -_INTEGER.unpack_from(message.body)[0]
    words = ""
    if message.flags & NLM_F_ACK_TLVS:
        start = _INTEGER.size
        if message.type == NLMSG_ERROR:  # the request it answers stands between, header only if capped
            request = message.body[start:]
            if len(request) < _HEADER.size:
                raise DecodeError(f"{len(request)} octets where the header of the request was expected")
            capped = message.flags & NLM_F_CAPPED
            start += _HEADER.size if capped else _aligned(_UNSIGNED.unpack_from(request)[0])
        text = decode_attributes(message.body[start:]).get(NLMSGERR_ATTR_MSG, b"")
        words = text.rstrip(b"\0").decode("utf-8", "replace")
    return number, words or os.strerror(number)


def _aligned(length: int) -> int:
    return (length + 3) & ~3


class NetlinkSocket:
    """A NETLINK_ROUTE socket that serves one namespace (name, path, or None for this one) from outside it.

    `groups` is the RTMGRP mask of events to hear: such a socket is for `receive`, another one for requests.
    """

    def __init__(self, namespace: str | Path | None = None, groups: int = 0) -> None:
        def create() -> socket.socket:
            return socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
            )

        self._socket = create() if namespace is None else run_in_namespace(namespace, create)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_OCTETS)
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
            self._socket.setsockopt(SOL_NETLINK, option, 1)
        self._socket.bind((0, groups))
        self._sequence = 0

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._socket.fileno()

    def close(self) -> None:
        """Give the descriptor back; again is harmless."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def execute(self, requests: Iterable[Request]) -> list[Refusal]:
        """Have the kernel carry out all requests in order, many to a send; the ones it refused."""
        refusals: list[Refusal] = []
        batch: list[Request] = []
        octets = 0
        for request in requests:
            batch.append(request)
            octets += len(request.body)
            if len(batch) == BATCH_REQUESTS or octets > BATCH_OCTETS:
                refusals += self._execute(batch)
                batch, octets = [], 0
        return refusals + self._execute(batch) if batch else refusals

    def ask(self, message_type: int, body: bytes) -> list[Message]:
        """The messages that answer one question; raises NetlinkError if the kernel refuses it."""
        return self._collect(message_type, NLM_F_ACK, body)

    def dump(self, message_type: int, body: bytes) -> list[Message]:
        """All objects, read again if they changed meanwhile. Raises NetlinkError (EINTR: they never rest)."""
        for _ in range(DUMP_ATTEMPTS):
            messages = self._collect(message_type, NLM_F_DUMP, body)
            if not any(message.flags & NLM_F_DUMP_INTR for message in messages):
                return messages
        raise NetlinkError(errno.EINTR, f"dump changed while it was read, {DUMP_ATTEMPTS} times")

    def receive(self) -> Iterator[Message]:
        """The messages there are now. Raises OSError ENOBUFS once where the kernel had to drop some."""
        while True:
            try:
                datagram, (port, _) = self._socket.recvfrom(DATAGRAM_OCTETS)
            except BlockingIOError:
                return
            if port == 0:  # from the kernel: any process may send to a netlink socket
                yield from decode_messages(datagram)

    def _send(self, batch: list[Request], last_flag: int) -> int:
        """Send `batch` with `last_flag` on its last; the sequence number of its first."""
        first = self._sequence + 1 if self._sequence + len(batch) < 1 << 32 else 1
        self._sequence = first + len(batch) - 1
        flags = [NLM_F_REQUEST | request.flags for request in batch]
        flags[-1] |= last_flag
        self._socket.send(
            b"".join(
                encode_message(request.type, flags[index], first + index, request.body)
                for index, request in enumerate(batch)
            )
        )
        return first

    def _execute(self, batch: list[Request]) -> list[Refusal]:
        """One send. Only the last asks to be answered: the kernel answers any request it refuses."""
        first = self._send(batch, NLM_F_ACK)
        refusals: dict[int, Refusal] = {}
        complete = False
        try:
            for message in self.receive():
                index = message.sequence - first
                if message.type == NLMSG_ERROR and 0 <= index < len(batch):
                    number, reason = decode_answer(message)
                    if number:
                        refusals[index] = Refusal(batch[index], number, reason)
                    complete |= index == len(batch) - 1
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            complete = False
            for _ in self.receive():
                pass
        if not complete:
            for index, request in enumerate(batch):
                refusals.setdefault(index, Refusal(request, errno.ENOBUFS, "the kernel's answer was lost"))
        return [refusals[index] for index in sorted(refusals)]

    def _collect(self, message_type: int, flags: int, body: bytes) -> list[Message]:
        sequence = self._send([Request(message_type, flags, body, "question")], 0)
        messages = []
        for message in self.receive():
            if message.sequence != sequence:
                continue
            if message.type in (NLMSG_ERROR, NLMSG_DONE):
                number, reason = decode_answer(message)
                if number:
                    raise NetlinkError(number, reason)
                if message.flags & NLM_F_DUMP_INTR:
                    messages.append(message)
                return messages
            messages.append(message)
        raise NetlinkError(errno.ENOBUFS, "the kernel's answer was lost")
