"""What to do when a file or folder could not be written: a full disk is said only when it is one."""

from __future__ import annotations

import errno

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # the last is a limit on what one file may take


def unwritten(error: OSError) -> str:
    """The system's reason in brackets and what to do, to end a message with."""
    reason = error.strerror or " ".join(str(error).split())[:200]
    advice = "free disk space, run again" if error.errno in _FULL else "name a folder that can be written"
    return f"({reason}); {advice}"
