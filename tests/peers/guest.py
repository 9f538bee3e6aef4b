"""A Linux guest in QEMU: its console takes commands, and the wire of its one NIC is a socket."""

import contextlib
import socket
import subprocess

from tests.peers.guest_image import QEMU, READY, GuestImage

BOOT_TIMEOUT_S = 100.0
COMMAND_TIMEOUT_S = 60.0
# The processor is emulated: /dev/kvm may be there and of no use for a stock kernel.
MACHINE = (
    *("-accel", "tcg,thread=multi", "-cpu", "max", "-M", "q35", "-m", "512"),
    *("-nodefaults", "-display", "none", "-no-reboot"),
    *("-append", "console=ttyS0 panic=-1 quiet loglevel=0 tsc=reliable mitigations=off ipv6.disable=1"),
)


class GuestError(Exception):
    """A guest that failed, or does not answer; tells what its console said last."""


class Guest(contextlib.AbstractContextManager["Guest"]):
    """A running guest with the interface eth0. It ends with this object, or with the thread that made it."""

    def __init__(self, image: GuestImage) -> None:
        """Returns when it has booted. Raises GuestError where it does not."""
        self._console, console = socket.socketpair()
        self.wire, nic = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        """Non-blocking: one Ethernet frame, without FCS, a call; closed with the guest."""
        self.wire.setblocking(False)
        with console, nic:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", QEMU, *MACHINE),
                    *("-kernel", str(image.kernel), "-initrd", str(image.initramfs)),
                    *("-chardev", f"socket,id=console,fd={console.fileno()}", "-serial", "chardev:console"),
                    *("-netdev", f"dgram,id=wire,local.type=fd,local.str={nic.fileno()}"),
                    *("-device", "virtio-net-pci,netdev=wire"),
                ],
                pass_fds=(console.fileno(), nic.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=console.fileno(),
                stderr=console.fileno(),
            )
        self._lines = self._console.makefile("r", errors="replace", newline="\n")
        try:
            self._answer(BOOT_TIMEOUT_S)
        except BaseException:
            self.close()
            raise

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._lines.close()
        self._console.close()
        self.wire.close()

    def run(self, command: str) -> str:
        """What one line of shell prints in the guest. Raises GuestError where it fails."""
        try:
            self._console.sendall(f"{command}\n".encode())
            return self._answer(COMMAND_TIMEOUT_S)
        except BrokenPipeError:
            raise GuestError("the guest has ended") from None
        except GuestError as error:
            error.add_note(f"asked for: {command}")
            raise

    def _answer(self, timeout_s: float) -> str:
        """What the console says before READY with the exit status 0."""
        self._console.settimeout(timeout_s)
        said = ""
        try:
            for line in self._lines:
                if line == f"{READY}0\n":
                    return said
                said += line
                if line.startswith(READY):
                    break
        except (TimeoutError, ConnectionResetError) as error:
            said += f"{error}\n"
        raise GuestError(f"the guest failed, with the last words: {said}")
