"""Checkpoints that are whole or don't count.

A save that was cut off leaves a folder that looks like a checkpoint, and resuming from it hangs or trains from
garbage. So a checkpoint counts only with our own `whole.json`, written last, after everything in it was flushed.
"""

import os
import re
import shutil

from trainer.errors import ConfigurationError
from trainer.files import read_json, sync, sync_tree, write_json

MARKER = 'whole.json'


def mark_whole(folder, facts):
    """Flushes a saved checkpoint and marks it. `facts` is what a later start needs of this one."""
    sync_tree(folder)
    write_json(os.path.join(folder, MARKER), facts)
    sync(os.path.dirname(folder))


def newest_whole(parent):
    """`(folder, facts)` of the newest whole checkpoint, or None."""
    whole = [(path, facts) for _, path in checkpoints(parent) if (facts := read_json(os.path.join(path, MARKER)))]
    return whole[-1] if whole else None


def remove_torn(parent):
    """Removes what an interrupted save left, so that the next save at the same step starts from an empty folder."""
    for _, path in checkpoints(parent):
        if read_json(os.path.join(path, MARKER)) is None:
            shutil.rmtree(path)


def keep_newest(parent, count):
    """Removes all but the `count` newest whole checkpoints: called only once the newest is marked."""
    whole = [path for _, path in checkpoints(parent) if read_json(os.path.join(path, MARKER))]
    for path in whole[:-count]:
        os.remove(os.path.join(path, MARKER))  # first, so that a removal cut off leaves no whole-looking rest
        shutil.rmtree(path)


def checkpoints(parent):
    """`[(step, path)]`, oldest first."""
    names = os.listdir(parent) if os.path.isdir(parent) else []
    matches = filter(None, (re.fullmatch(r'checkpoint-(\d+)', name) for name in names))
    return sorted((int(match[1]), os.path.join(parent, match[0])) for match in matches)


def require_same_job(identity, found, where):
    """Raises ConfigurationError naming what differs: another job's weights must never pass for this one's."""
    ours, theirs = flat(identity), flat(found)
    differing = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    if differing:
        raise ConfigurationError(f'{where}: made by another job, which differs in {", ".join(differing)}')


def flat(value, prefix=''):
    if not isinstance(value, dict):
        return {prefix: value}
    return {k: v for name, item in value.items() for k, v in flat(item, f'{prefix}.{name}' if prefix else name).items()}
