"""File systems without room, and disks that fail."""

import contextlib
import errno
import mmap
import os
import pathlib
import shutil
import struct


@contextlib.contextmanager
def full(folder):
    """Not one block is free there, until the end."""
    path = pathlib.Path(folder, "ballast")
    with open(path, "wb", buffering=0) as ballast:
        try:
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        ballast.write(b"\0" * size)
            yield
        finally:
            os.unlink(path)


class FaultDisk:
    """Lets the store's files of a runner fail, in the real program: by
    fault_disk.c, from its next start on."""

    KINDS = ("write", "sync", "read")

    def __init__(self, site):
        library = site.bin / "fault_disk.so"
        shutil.copy(pathlib.Path(os.environ["TASKGATE_BIN"]).parent
                    / "tests" / "fault_disk.so", library)
        library.chmod(0o755)
        path = site.folder / "faults"
        path.write_bytes(bytes(4 * len(self.KINDS)))
        path.chmod(0o644)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)
        site.runner.more = {
            "LD_PRELOAD": str(library), "TASKGATE_FAULT_DISK": str(path),
            # It cannot come before a sanitizer's own.
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
                            ":verify_asan_link_order=0"}

    def _set(self, kind, number):
        struct.pack_into("=i", self.map, 4 * self.KINDS.index(kind), number)

    @contextlib.contextmanager
    def failing(self, kind, name):
        """Such as failing("write", "EIO")."""
        self._set(kind, getattr(errno, name))
        try:
            yield
        finally:
            self._set(kind, 0)
