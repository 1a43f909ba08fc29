"""Writes files so that they exist completely or not at all, even after a power failure.

`exists`, `read_json`, `create_json` and `remove_file` accept the address of an object in a bucket, too.
"""

import contextlib
import errno
import hashlib
import json
import os
import uuid
from concurrent.futures import ThreadPoolExecutor

THREADS = min(8, os.cpu_count() or 1)  # that flush and hash files

ADDRESS = 's3://'

# What file systems without hard links say (src/platform/file-system.ts).
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES, errno.EINVAL)


def is_address(path):
    return path.startswith(ADDRESS)


def exists(path):
    if is_address(path):
        return read_address(path) is not None
    return os.path.isfile(path)


def read_json(path):
    """The JSON value in `path`; None if the file does not exist or is not JSON."""
    if is_address(path):
        content = read_address(path)
        return None if content is None else parse_json(content)
    try:
        with open(path, 'rb') as file:
            return parse_json(file.read())
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_address(address):
    """The content of an object; None if it does not exist."""
    from trainer.bucket import object_at

    bucket, key = object_at(address)
    found = bucket.get(key)
    return found and found[0]


def parse_json(content):
    """The JSON value in UTF-8 text; None if it is not JSON."""
    try:
        return json.loads(content.decode('utf-8'), parse_constant=refuse_constant)
    except ValueError:
        return None


def refuse_constant(name):
    raise ValueError(f'{name} is not JSON')  # Python accepts NaN and Infinity otherwise


def write_json(path, value, durable=True):
    """Replaces `path` atomically. With `durable=False` nothing is flushed: a power failure may undo the write."""
    os.replace(write_temporary_json(path, value, durable), path)
    if durable:
        sync(os.path.dirname(path))


def create_json(path, value):
    """Creates `path` atomically. An existing file stays as it is."""
    if is_address(path):
        from trainer.bucket import object_at

        bucket, key = object_at(path)
        bucket.put_if(key, as_json(value), None)
        return
    temporary = write_temporary_json(path, value, durable=True)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # The file system has no hard links. Two ranks that fail at the same moment may replace each other's report.
        if not os.path.exists(path):
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
    sync(os.path.dirname(path))


def write_temporary_json(path, value, durable):
    temporary = f'{path}.{uuid.uuid4().hex}.tmp'
    with open(temporary, 'w', encoding='utf-8') as file:
        file.write(as_json(value))
        if durable:
            file.flush()
            os.fsync(file.fileno())
    return temporary


def as_json(value):
    # Other JSON readers refuse the bare word NaN.
    return json.dumps(value, indent=2, allow_nan=False) + '\n'


def remove_file(path):
    """Removes a file, if it exists."""
    if is_address(path):
        from trainer.bucket import object_at

        bucket, key = object_at(path)
        bucket.delete(key)
        return
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def sync(path):
    """Flushes one file or folder to the disk. Some network file systems can't flush a folder: then nothing more is to be
    done for it here."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not os.path.isdir(path) or error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder):
    """Flushes all files and folders below `folder`, and `folder` itself."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(os.path.join(parent, name))
        sync(parent)


def sync_and_hash(folder, touch):
    """Flushes `folder` to the disk. Returns `{relative path: [bytes, hash]}` of all files below it. Files are hashed
    while others are still being flushed, so that the hashes hardly delay a save. `touch` is called after each file."""
    names = list(files_below(folder))
    with ThreadPoolExecutor(THREADS) as pool:
        flushed = [pool.submit(sync, os.path.join(folder, name)) for name in names]
        hashes = dict(hash_files(folder, names, touch))
        for each in flushed:
            each.result()
            touch()
    for parent, _, _ in os.walk(folder, topdown=False):
        sync(parent)
    return {name: [os.path.getsize(os.path.join(folder, name)), hashes[name]] for name in sorted(names)}


def hash_files(folder, names, touch):
    """Yields `(name, hash)` of each file: XXH3 of 128 bits, which finds damage about as fast as memory is read. SHA-256
    takes a second for each GB, as long as saving it."""
    with ThreadPoolExecutor(THREADS) as pool:
        for name, digest in zip(names, pool.map(lambda name: xxh3_of(os.path.join(folder, name)), names)):
            touch()
            yield name, digest


def xxh3_of(path):
    import xxhash  # a requirement of datasets; the check of a job runs without it

    return digest_of(path, xxhash.xxh3_128())


def sha256_of(path):
    return digest_of(path, hashlib.sha256())


def digest_of(path, digest):
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def listing(folder):
    """`[{name, sha256, bytes}]` of all files below `folder`, by name, such as `additional_chat_templates/rag.jinja`."""
    return [
        {'name': name.replace(os.sep, '/'), 'sha256': sha256_of(path), 'bytes': os.path.getsize(path)}
        for name, path in sorted(files_below(folder).items())
    ]


def files_below(folder):
    """`{name: path}` of all files in a folder and its folders."""
    paths = (os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return {os.path.relpath(path, folder): path for path in paths}


def touch(path):
    with open(path, 'a', encoding='utf-8'):
        os.utime(path)


def remove_truncated_line(path):
    """Removes a last line that has no line break: an interrupted write left it, and the next line would be joined to
    it."""
    if os.path.exists(path):
        with open(path, 'rb+') as file:
            file.truncate(file.read().rfind(b'\n') + 1)
