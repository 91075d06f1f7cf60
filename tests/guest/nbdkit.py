"""A drive over NBD: nbdkit with drivelab's plugin, to be killed and started again."""

import pathlib
import shutil
import socket
import subprocess
import sys

import target

PLUGIN = "plugins/nbdkit/nbdkit-drivelab-plugin.so"     # beside the program
# nbdkit takes over a listening socket as systemd would hand it: descriptor 3.
LISTEN = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execvp(sys.argv[2], sys.argv[2:])
"""


def missing(drivelab):
    """Why no drive can be served over NBD here, or ""."""
    if not shutil.which("nbdkit"):
        return "nbdkit is not installed (package nbdkit)"
    if not pathlib.Path(drivelab).with_name("plugins").is_dir():
        return "the plugin for nbdkit was not built (package nbdkit-plugin-dev)"
    return ""


class NbdTarget(target.Target):
    """The socket stays open across restarts, so the port does too."""

    def __init__(self, drivelab, drive, work, name, options=()):
        super().__init__((drivelab, drive), work, name, options)
        self._plugin = pathlib.Path(drivelab).resolve().parent / PLUGIN
        self._requests = pathlib.Path(work, f"{name}.requests")
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def start(self):
        command = [
            "nbdkit", "-f", "--filter=log", self._plugin, f"drive={self._drive}",
            *self._options, f"image={self.image}", f"logfile={self._requests}",
            "logappend=true"]
        with open(self.log, "ab") as log:
            log.write(f"$ {' '.join(map(str, command))}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                [sys.executable, "-c", LISTEN, str(self._socket.fileno()), *command],
                pass_fds=[self._socket.fileno()], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)

    def count(self, *words):
        """Requests that nbdkit was sent whose line in its log has all WORDS."""
        lines = self._requests.read_text(encoding="ascii").splitlines()
        return sum(line.endswith(" ...") and set(words) <= set(line.split())
                   for line in lines)
