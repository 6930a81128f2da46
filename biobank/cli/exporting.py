"""Export files of checkpoints: appended to, never half written."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def append_note(path: Path, note: str) -> bool:
    """Append a signed note to an export file, synced to the disk; False when it is the file's last one already.

    Raises OSError when the disk does not take it; the file is then as it was.
    """
    # Without a buffer: what a full disk refused must not be written once more when the file is closed.
    with path.open("a+b", buffering=0) as file:
        file.seek(0)
        there = file.read()
        if there.endswith(note.encode()):
            return False
        left = (b"\n" if there else b"") + note.encode()
        try:
            while left:
                left = left[file.write(left):]
            os.fsync(file.fileno())
            if not there:
                _sync_folder(path.parent)
        except OSError:
            # Half a note would make the whole file unreadable.
            with suppress(OSError):
                file.truncate(len(there))
            raise
    return True


def _sync_folder(folder: Path) -> None:
    """So that a new file is found after a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
