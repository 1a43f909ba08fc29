"""Checkpoints that are complete and intact, or do not count.

An interrupted save leaves a folder that looks like a checkpoint; resuming from it hangs, or trains from garbage. A
checkpoint therefore counts only if it has the marker `complete.json`, which is written last, after all files of the
checkpoint are flushed to the disk. The marker has size and hash of each file, which are verified before a training
resumes from the checkpoint.
"""

import errno
import json
import os
import re
import shutil

from trainer.errors import ConfigurationError
from trainer.files import hash_files, read_json, sync, sync_and_hash, write_json

MARKER = 'complete.json'


def mark_complete(folder, facts, touch):
    """Flushes a saved checkpoint to the disk, hashes it and marks it. `facts` is what a later start needs to resume
    from it; `touch` is called after each file."""
    files = sync_and_hash(folder, touch)
    write_json(os.path.join(folder, MARKER), {**facts, 'files': files})
    sync(os.path.dirname(folder))


def newest_intact(parent, touch, on_damage):
    """`(folder, facts)` of the newest complete checkpoint whose files are as they were saved, or None. Removes damaged
    ones that are newer, after `on_damage(folder, reason)`."""
    for _, path in reversed(checkpoints(parent)):
        facts = read_json(os.path.join(path, MARKER))
        if facts is None:
            continue
        reason = damage_of(path, facts, touch)
        if reason is None:
            return path, facts
        on_damage(path, reason)
        remove(path)
    return None


def complete_at(parent, step):
    """`(folder, facts)` of the complete checkpoint at a step, or None."""
    path = os.path.join(parent, f'checkpoint-{step}')
    facts = read_json(os.path.join(path, MARKER))
    return (path, facts) if facts else None


def damage_of(folder, facts, touch):
    """The first difference between the files of a checkpoint and its marker, or None."""
    expected = facts.get('files', {})  # checkpoints of earlier versions have no hashes
    for name, (size, _) in expected.items():
        path = os.path.join(folder, name)
        found = os.path.getsize(path) if os.path.exists(path) else 'no'
        if found != size:
            return f'{path} has {found} bytes instead of {size}'
    try:
        for name, digest in hash_files(folder, list(expected), touch):
            if digest != expected[name][1]:
                return f'{os.path.join(folder, name)} has another content than when it was saved'
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return f'{folder} can not be read: {error}'
    return None


def remove(path):
    marker = os.path.join(path, MARKER)
    if os.path.exists(marker):
        os.remove(marker)  # first: an interrupted removal must not look complete
    shutil.rmtree(path)


def remove_incomplete(parent):
    """Removes the folders of interrupted saves, so that the next save at the same step starts in an empty folder."""
    for _, path in checkpoints(parent):
        if read_json(os.path.join(path, MARKER)) is None:
            remove(path)


def keep_newest(parent, count, used=None):
    """Removes all but the `count` newest complete checkpoints, and one that is `used`. Call it only after the newest one is
    marked."""
    complete = [path for _, path in checkpoints(parent) if read_json(os.path.join(path, MARKER))]
    for path in complete[:-count]:
        if path != used:
            remove(path)


def checkpoints(parent):
    """`[(step, path)]`, oldest first."""
    names = os.listdir(parent) if os.path.isdir(parent) else []
    steps = {name: checkpoint_step(name) for name in names}
    return sorted((step, os.path.join(parent, name)) for name, step in steps.items() if step is not None)


def checkpoint_step(name):
    """The step of a checkpoint by the name of its folder; None if it is no checkpoint."""
    match = re.fullmatch(r'checkpoint-(\d+)', name)
    return int(match[1]) if match else None


def record_damage(output_folder, folder, reason):
    """Appends to `damaged-checkpoints.jsonl`, from which the run makes a warning."""
    with open(os.path.join(output_folder, 'damaged-checkpoints.jsonl'), 'a', encoding='utf-8') as file:
        file.write(json.dumps({'checkpoint': os.path.basename(folder), 'reason': reason}) + '\n')


def require_same_job(identity, found, where):
    """Raises ConfigurationError that names the differences: weights of another job must never pass for this job's."""
    ours, theirs = flattened(identity), flattened(found)
    differing = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    if differing:
        raise ConfigurationError(f'{where} belongs to another job, which differs in {", ".join(differing)}')


def flattened(value, prefix=''):
    """Nested dictionaries as one, with keys such as `adapter.rank`."""
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        key: leaf
        for name, item in value.items()
        for key, leaf in flattened(item, f'{prefix}.{name}' if prefix else name).items()
    }
