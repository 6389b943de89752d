"""Files that are there whole or not at all: written beside, made durable, renamed; the folder is made durable too."""

import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that a crash leaves the old one or the new one."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    put_in_place(temporary, path)


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a file that is durable already, and make the renaming durable."""
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
