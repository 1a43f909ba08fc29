"""Files that are there whole or not at all, also after a power cut."""

import hashlib
import json
import os
import uuid


def read_json(path):
    """The JSON value in `path`, or None where there is no such file or it isn't JSON."""
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def write_json(path, value, durable=True):
    """Puts `value` in place in one rename. `durable=False` spares the disk where a loss by a power cut is harmless."""
    os.replace(draft_json(path, value, durable), path)
    if durable:
        sync(os.path.dirname(path))


def create_json(path, value):
    """Puts `value` in place in one go, where no other process has put anything there before."""
    temporary = draft_json(path, value, durable=True)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        os.remove(temporary)
    sync(os.path.dirname(path))


def draft_json(path, value, durable):
    temporary = f'{path}.{uuid.uuid4().hex}.tmp'
    with open(temporary, 'w', encoding='utf-8') as file:
        # A NaN must never reach a file as the bare word NaN, which no other JSON reader accepts.
        json.dump(value, file, indent=2, allow_nan=False)
        file.write('\n')
        if durable:
            file.flush()
            os.fsync(file.fileno())
    return temporary


def sync(path):
    """Flushes one file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder):
    """Flushes every file below `folder`, and the folders themselves."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(os.path.join(parent, name))
        sync(parent)


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def listing(folder):
    """`[{name, sha256, bytes}]` of the files directly in `folder`, by name."""
    return [
        {'name': name, 'sha256': sha256_of(path), 'bytes': os.path.getsize(path)}
        for name in sorted(os.listdir(folder))
        if os.path.isfile(path := os.path.join(folder, name))
    ]


def touch(path):
    with open(path, 'a', encoding='utf-8'):
        os.utime(path)


def cut_torn_line(path):
    """Cuts off what a power cut may have left of a last line, so that the next line begins at its start."""
    if os.path.exists(path):
        with open(path, 'rb+') as file:
            file.truncate(file.read().rfind(b'\n') + 1)
