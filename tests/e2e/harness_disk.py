"""A file system without room."""

import contextlib
import os
import pathlib


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
