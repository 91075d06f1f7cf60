"""Write "newc" cpio archives, the form the Linux kernel unpacks as its initramfs.

The kernel unpacks several archives laid end to end, later files replacing
earlier ones; so a large cached archive with the tools and a small one with the
scripts of the moment make one initramfs.  Everything belongs to root and has
time 0, hence equal inputs give equal archives.

Source: Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
"""

import os
import stat

_ALIGN = 4


class Writer:
    """Appends entries to a binary file; parent directories are made on the way."""

    def __init__(self, out):
        self._out = out
        self._ino = 0
        self._known = set()

    def file(self, path, content, mode=0o644):
        self._parents(path)
        self._entry(path, stat.S_IFREG | mode, content)

    def copy(self, path, source):
        """A host file with its permissions; symbolic links are followed."""
        with open(source, "rb") as f:
            mode = stat.S_IMODE(os.fstat(f.fileno()).st_mode)
            self.file(path, f.read(), mode | 0o444)

    def symlink(self, path, points_to):
        self._parents(path)
        self._entry(path, stat.S_IFLNK | 0o777, points_to.encode())

    def directory(self, path, mode=0o755):
        self._parents(path)
        self._entry(path, stat.S_IFDIR | mode, b"")

    def close(self):
        self._entry("TRAILER!!!", 0, b"")

    def _parents(self, path):
        parent = os.path.dirname(path.strip("/"))
        if parent and parent not in self._known:
            self.directory(parent)

    def _entry(self, path, mode, content):
        path = path.strip("/")
        if path in self._known:
            return
        self._known.add(path)
        self._ino += 1
        name = path.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (self._ino, mode, 0, 0, links, 0, len(content),
                  0, 0, 0, 0, len(name), 0)
        header = b"070701" + b"".join(b"%08X" % n for n in fields)
        self._padded(header + name)
        self._padded(content)

    def _padded(self, data):
        self._out.write(data)
        self._out.write(b"\0" * (-len(data) % _ALIGN))
