"""Runs the cases of prepare.ts on this machine and prints a table (see run.sh)."""

import argparse
import glob
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--cases', required=True)
    parser.add_argument('--out', required=True)
    parser.add_argument('--smoke', action='store_true')
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    with open(options.cases, encoding='utf-8') as file:
        cases = json.load(file)
    for case in cases:
        if options.smoke:
            shrink(case)
        folder = tempfile.mkdtemp(prefix='gpu-bench-')
        began = time.monotonic()
        try:
            measured = measure(case, folder)
        except subprocess.CalledProcessError as error:
            measured = {'failed': f'{error}: {error.output[-2000:] if error.output else ""}'}
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        line = {'case': case['name'], **measured, 'seconds': round(time.monotonic() - began)}
        print(json.dumps(line), flush=True)
        with open(os.path.join(options.out, 'results.jsonl'), 'a', encoding='utf-8') as file:
            file.write(json.dumps(line) + '\n')


def shrink(case):
    case['config'].update(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, vocab_size=64
    )
    case['tokens'] = 64
    p = case['job']['hyperparameters']
    p.update(maxLength=64, precision='float32', perDeviceBatchSize=2)
    if case['name'].endswith('resumed'):
        p['maxSteps'] = 200  # enough to be killed in the middle


def measure(case, folder):
    python('make_base.py', folder, json.dumps(case))
    if case['name'].endswith('resumed'):
        return resumed(case, folder)
    ours = train(case, folder, 'ours')
    measured = {
        'parameters': case['parameters'],
        'plannedGB': gigabytes(case['plannedBytes']),
        'usedGB': gigabytes(ours['usedBytes']),
        'usedOfPlanned': round(ours['usedBytes'] / case['plannedBytes'], 3),
        'tokensPerSecond': ours['tokensPerSecond'],
        'loss': [ours['losses'][0], ours['losses'][-1]],
    }
    if case['name'].startswith('1b'):
        # Each twice and in turns, because a machine's speed drifts.
        bare = train(case, folder, 'bare')
        again = [train(case, folder, 'ours-again'), train(case, folder, 'bare-again')]
        rates = [ours, again[0]], [bare, again[1]]
        mine, theirs = (max(run['tokensPerSecond'] for run in runs) for runs in rates)
        measured.update(tokensPerSecond=mine, bareTokensPerSecond=theirs, ofBare=round(mine / theirs, 3))
    return measured


def resumed(case, folder):
    """Compares an undisturbed training with one that is killed behind a checkpoint."""
    undisturbed = train(case, folder, 'undisturbed')
    output = os.path.join(folder, 'killed')
    process = start(case, folder, 'killed')
    while not glob.glob(os.path.join(output, 'checkpoints', '*', 'complete.json')) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if os.path.exists(os.path.join(output, 'result.json')):
        return {'failed': 'the training was over before it was killed'}
    again = train(case, folder, 'killed')
    files = [os.path.join(folder, name, 'model', 'model.safetensors') for name in ('undisturbed', 'killed')]
    return {
        'resumedAfterStep': again['firstStep'] - 1,
        'lastLosses': [undisturbed['losses'][-1], again['losses'][-1]],
        'sameWeights': sha256(files[0]) == sha256(files[1]),
    }


def start(case, folder, name):
    job = {
        **case['job'],
        'baseCheckpoint': os.path.join(folder, 'base'),
        'data': os.path.join(folder, 'sft.jsonl'),
        'outputFolder': os.path.join(folder, name),
        'token': f'{name}-{time.time_ns()}',
    }
    file = os.path.join(folder, f'{job["token"]}.json')
    with open(file, 'w', encoding='utf-8') as opened:
        json.dump(job, opened)
    mode = 'bare' if name.startswith('bare') else 'ours'
    return subprocess.Popen(
        [sys.executable, os.path.join(HERE, 'train.py'), mode, file],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def train(case, folder, name):
    process = start(case, folder, name)
    output, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, name, output)
    model = os.path.join(folder, name, 'model')
    if not case['name'].endswith('resumed'):
        shutil.rmtree(model, ignore_errors=True)  # of a large model three would fill the disk
    return json.loads(output.strip().split('\n')[-1])


def python(script, *arguments):
    subprocess.run([sys.executable, os.path.join(HERE, script), *arguments], check=True)


def gigabytes(count):
    return round(count / 1e9, 2)


def sha256(file):
    digest = hashlib.sha256()
    with open(file, 'rb') as opened:
        for block in iter(lambda: opened.read(1 << 24), b''):
            digest.update(block)
    return digest.hexdigest()


if __name__ == '__main__':
    main()
