"""The links of many namespaces and their changes, behind one descriptor."""

import select
import socket
from collections.abc import Iterator

from dataplane.link_state import LinkMonitor, LinkState
from dataplane.namespace import OWN_NAMESPACE, inside
from dataplane.netlink import NetlinkSocket, Request

# linux/rtnetlink.h
RTM_DELROUTE, RTM_GETROUTE = 25, 26
_ANY_IPV6_ROUTE = bytes([socket.AF_INET6]).ljust(12, b"\0")  # struct rtmsg


class NamespaceMonitors:
    """A LinkMonitor for each namespace in use: wait for `fileno()` to be readable, then `read()`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._monitors: dict[str, LinkMonitor] = {}
        self._namespaces: dict[int, str] = {}
        self._users: dict[str, int] = {}

    def fileno(self) -> int:
        """Readable while a namespace has changes."""
        return self._epoll.fileno()

    def close(self) -> None:
        for monitor in self._monitors.values():
            monitor.close()
        self._epoll.close()

    def add(self, namespace: str) -> NetlinkSocket:
        """Watches a namespace for one more user; returns the socket for requests there, which stays ours.

        Raises FileNotFoundError where there is no such namespace, OSError where it may not be entered.
        """
        if namespace not in self._monitors:
            with inside(namespace):
                monitor = LinkMonitor()
            self._monitors[namespace] = monitor
            self._namespaces[monitor.fileno()] = namespace
            self._users[namespace] = 0
            self._epoll.register(monitor.fileno(), select.EPOLLIN)
        self._users[namespace] += 1
        return self._monitors[namespace].requests

    def release(self, namespace: str) -> None:
        """One user less; without any the namespace is forgotten."""
        self._users[namespace] -= 1
        if not self._users[namespace]:
            monitor = self._monitors.pop(namespace)
            del self._users[namespace], self._namespaces[monitor.fileno()]
            self._epoll.unregister(monitor.fileno())
            monitor.close()

    def flush_ipv6_routes(self) -> None:
        """Empties the IPv6 tables of all namespaces but our own; routes that have gone by themselves are no
        error."""
        for namespace, monitor in self._monitors.items():
            if namespace == OWN_NAMESPACE:
                continue
            routes = monitor.requests.dump(RTM_GETROUTE, _ANY_IPV6_ROUTE)
            monitor.requests.execute(Request(RTM_DELROUTE, 0, route.body, "a route") for route in routes)

    def read(self) -> Iterator[tuple[str, LinkState]]:
        """What has changed since the last call, with the namespace it changed in. Never waits."""
        for descriptor, _ in self._epoll.poll(0):
            namespace = self._namespaces[descriptor]
            for state in self._monitors[namespace].read():
                yield namespace, state
