"""Copies the inputs of a training from a bucket, and checks them where the store has recorded their content."""

import os

from trainer.bucket import Bucket, object_at
from trainer.errors import ConfigurationError, DataError
from trainer.files import read_json, sha256_of


def fetch_data(address, path, progress):
    bucket, name = object_at(address)
    try:
        bucket.download({name: path}, progress)
    except FileNotFoundError:
        raise DataError(f'{address}: no such object') from None
    expected = recorded_hash(address)
    if expected and sha256_of(path) != expected:
        raise DataError(f'{address} has another content than its manifest.json says')


def recorded_hash(address):
    """The SHA-256 of a file of an artifact (src/store/manifest.ts); None if no manifest names it."""
    folder, _, name = address.rpartition('/')
    for _ in range(2):  # a file may lie in a folder of the attempt that wrote it
        manifest = read_json(f'{folder}/manifest.json') or {}
        hashes = {**manifest.get('files', {}), 'records.jsonl': manifest.get('sha256')}
        for file, sha256 in hashes.items():
            if manifest.get('storedAs', {}).get(file, file) == name:
                return sha256
        folder, _, parent = folder.rpartition('/')
        name = f'{parent}/{name}'
    return None


def fetch_checkpoint(address, folder, progress=lambda: None, is_wanted=lambda name: True):
    """Gets the files of a base checkpoint that are wanted. Returns the names of all."""
    bucket = Bucket(address)
    names = list(bucket.list())
    if not names:
        raise ConfigurationError(f'base checkpoint {address}: no such folder in the bucket')
    wanted = {name: os.path.join(folder, name) for name in names if is_wanted(name)}
    bucket.download(wanted, progress)
    for file in recorded_files(bucket.address):
        name = file['name']
        if name not in names:
            raise ConfigurationError(f'base checkpoint {address}: {name} is missing')
        if name in wanted and sha256_of(wanted[name]) != file['sha256']:
            raise ConfigurationError(f'base checkpoint {address}: {name} has another content than when it was trained')
        progress()
    return names


def recorded_files(address):
    """`[{name, sha256}]` of a model that was trained here: it lies beside the result of its training."""
    parent, _, name = address.rpartition('/')
    result = read_json(f'{parent}/result.json') if name == 'model' else None
    return result['model']['files'] if result else []
