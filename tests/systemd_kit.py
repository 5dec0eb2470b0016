"""A systemd that only listens: the other end of NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket


class Systemd:
    """The other end."""

    def __init__(self, address: str) -> None:
        """Listen at `address`, as it stands in NOTIFY_SOCKET."""
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.settimeout(60)

    @property
    def environment(self) -> dict[str, str]:
        """What a process is started with that is to tell this."""
        return {**os.environ, "NOTIFY_SOCKET": self.address}

    def next(self) -> str:
        """Return the next message."""
        return self.socket.recv(4096).decode()

    def until(self, message: str) -> list[str]:
        """Return all messages up to this one."""
        heard = [self.next()]
        while heard[-1] != message:
            heard.append(self.next())
        return heard

    def heard(self) -> list[str]:
        """Return what came, without waiting."""
        self.socket.setblocking(False)
        found = []
        try:
            while True:
                found.append(self.next())
        except BlockingIOError:
            self.socket.settimeout(60)
            return found
