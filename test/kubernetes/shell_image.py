"""Packs a container image of one static program, busybox, without a builder: shell_image.py NAME FILE.tar"""

import hashlib
import io
import json
import sys
import tarfile

COMMANDS = ['sh', 'sleep', 'echo', 'cat', 'ls', 'true', 'false', 'dd', 'tail', 'env']


def add(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o755
    archive.addfile(entry, io.BytesIO(content))


def main(name, file):
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode='w') as archive:
        for folder in ['bin', 'tmp']:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            archive.addfile(entry)
        with open('/bin/busybox', 'rb') as busybox:
            add(archive, 'bin/busybox', busybox.read())
        for command in COMMANDS:
            entry = tarfile.TarInfo(f'bin/{command}')
            entry.type, entry.linkname = tarfile.SYMTYPE, '/bin/busybox'
            archive.addfile(entry)
    layer = layer.getvalue()
    digest = f'sha256:{hashlib.sha256(layer).hexdigest()}'
    # The sandbox of a pod runs the image's own command.
    command = {'Cmd': ['/bin/sleep', '2147483647'], 'Env': ['PATH=/usr/bin:/bin']}
    roots = {'type': 'layers', 'diff_ids': [digest]}
    history = [{'created': '2026-01-01T00:00:00Z'}]
    image = {'architecture': 'amd64', 'os': 'linux', 'config': command, 'rootfs': roots, 'history': history}
    content = json.dumps(image).encode()
    config = f'{hashlib.sha256(content).hexdigest()}.json'
    manifest = [{'Config': config, 'RepoTags': [name], 'Layers': ['layer.tar']}]
    with tarfile.open(file, 'w') as archive:
        add(archive, 'layer.tar', layer)
        add(archive, config, content)
        add(archive, 'manifest.json', json.dumps(manifest).encode())


main(*sys.argv[1:])
