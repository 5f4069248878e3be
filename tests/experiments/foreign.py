"""Files that are not what they should be, and another user who looks at ours."""

import contextlib
import os


def huge(path):
    """A hole of 12 GB, which takes no room."""
    path.touch()
    os.truncate(path, 12 << 30)


@contextlib.contextmanager
def as_nobody():
    """Root may read everything; whoever else runs the tests is held by modes."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
