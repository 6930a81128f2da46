"""One file that holds a whole backup: a tar of members that are gzipped one by one, then the manifest, then the manifest's SHA-256.

The manifest comes last and the file gets its name when all of it is on the disk: half an archive never looks whole.
Nothing is ever unpacked to a path that the archive names.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import secrets
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from biobank.core.errors import Conflict, RuleBroken

# What this program writes and reads; another number is another layout of the file.
FORMAT = 1
MANIFEST, SEAL = "manifest.json", "manifest.json.sha256"
BLOCK = 512
# Bytes held in memory at a time.
CHUNK = 1 << 18
Progress = Callable[[int], None]


class BackupThere(Conflict):
    """A backup is never written over a file."""

    message = "%(file)s is there already. Name a file that is not: a backup never replaces another."


class NotABackup(RuleBroken):
    """The file is something else, or was cut off before its manifest."""

    message = "%(file)s is no backup of biobank, or only the beginning of one: %(why)s. Nothing was restored."


class BackupDamaged(RuleBroken):
    """The file was a backup, and some of its bytes are not what was written."""

    message = "%(file)s is damaged: %(why)s. Nothing was restored; use another copy of it."


class _Deflated(io.RawIOBase):
    """Counts, hashes and gzips what is written to it."""

    def __init__(self, out: IO[bytes]) -> None:
        self.sha256, self.size = hashlib.sha256(), 0
        self._out = out
        self._zip = zlib.compressobj(1, wbits=31)

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Take all of it."""
        self.sha256.update(data)
        self.size += len(data)
        self._out.write(self._zip.compress(data))
        return len(data)

    def end(self) -> None:
        """Write what is left."""
        self._out.write(self._zip.flush())


class Writer:
    """Writes members one after another; `members` collects their sizes and hashes for the manifest."""

    def __init__(self, file: IO[bytes]) -> None:
        self.members: dict[str, dict[str, Any]] = {}
        self._file = file

    @contextmanager
    def member(self, name: str) -> Iterator[IO[bytes]]:
        """A stream for one member of any length."""
        with self._framed(f"{name}.gz"):
            deflated = _Deflated(self._file)
            buffer = io.BufferedWriter(deflated, CHUNK)
            yield buffer
            buffer.flush()
            deflated.end()
        self.members[name] = {"bytes": deflated.size, "sha256": deflated.sha256.hexdigest()}

    def close(self, manifest: dict[str, Any]) -> None:
        """Write the manifest, its hash and the end of the archive."""
        text = json.dumps(manifest | {"members": self.members}, indent=1, sort_keys=True).encode() + b"\n"
        for name, data in ((MANIFEST, text), (SEAL, hashlib.sha256(text).hexdigest().encode() + b"\n")):
            with self._framed(name):
                self._file.write(data)
        self._file.write(bytes(2 * BLOCK))

    @contextmanager
    def _framed(self, name: str) -> Iterator[None]:
        # The size stands before the data and is known after it.
        header = self._file.tell()
        self._file.write(bytes(BLOCK))
        yield
        info = tarfile.TarInfo(name)
        info.size, info.mode = self._file.tell() - header - BLOCK, 0o600
        self._file.write(bytes(-info.size % BLOCK))
        self._file.seek(header)
        self._file.write(info.tobuf(tarfile.GNU_FORMAT))
        self._file.seek(0, os.SEEK_END)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A new file that has its name only when all of it is on the disk; readable by its owner alone. Raises BackupThere."""
    if path.exists():
        raise BackupThere(file=path)
    draft = beside(path)
    try:
        with os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def beside(path: Path) -> Path:
    """A name in the same folder that nobody else uses and that nobody takes for the file itself."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Reader:
    """An archive that is read; its manifest is known at once. Raises NotABackup, BackupDamaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with ExitStack() as opening:
            try:
                self._tar = opening.enter_context(tarfile.open(fileobj=opening.enter_context(path.open("rb")), mode="r:"))
                self._found = {info.name: info for info in self._tar.getmembers()}
            except (tarfile.TarError, EOFError) as error:
                raise NotABackup(file=path, why=error) from None
            except OSError as error:
                raise NotABackup(file=path, why=error.strerror) from None
            self.manifest: dict[str, Any] = self._read_manifest()
            self._open = opening.pop_all()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _read_manifest(self) -> dict[str, Any]:
        if MANIFEST not in self._found or SEAL not in self._found:
            raise NotABackup(file=self.path, why="it has no manifest at its end")
        text, seal = (self._raw(name).read() for name in (MANIFEST, SEAL))
        if hashlib.sha256(text).hexdigest().encode() != seal.strip():
            raise BackupDamaged(file=self.path, why="its manifest does not give the SHA-256 beside it")
        manifest: dict[str, Any] = json.loads(text)
        if manifest.get("product") != "biobank":
            raise NotABackup(file=self.path, why=f"its manifest says it is of “{manifest.get('product')}”")
        return manifest

    def _raw(self, name: str) -> IO[bytes]:
        stream = self._tar.extractfile(self._found[name])
        if stream is None:
            raise BackupDamaged(file=self.path, why=f"{name} is no file")
        return stream

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's content, checked against the manifest by its end. Raises BackupDamaged."""
        told, sha256, size = self.manifest["members"][name], hashlib.sha256(), 0
        if f"{name}.gz" not in self._found:
            raise BackupDamaged(file=self.path, why=f"{name} is missing")
        try:
            with gzip.GzipFile(fileobj=self._raw(f"{name}.gz")) as stream:
                while chunk := stream.read(CHUNK):
                    sha256.update(chunk)
                    size += len(chunk)
                    yield chunk
        except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
            raise BackupDamaged(file=self.path, why=f"{name} cannot be unpacked ({error})") from None
        if (size, sha256.hexdigest()) != (told["bytes"], told["sha256"]):
            raise BackupDamaged(file=self.path, why=f"{name} does not give the SHA-256 in the manifest")

    def check(self, progress: Progress) -> None:
        """Read all of it once before anything is restored. Raises BackupDamaged."""
        for name in self.manifest["members"]:
            for chunk in self.chunks(name):
                progress(len(chunk))

    @property
    def size(self) -> int:
        """Bytes of all members, unpacked."""
        return sum(int(member["bytes"]) for member in self.manifest["members"].values())
