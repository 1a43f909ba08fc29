#!/usr/bin/env bash
# On a machine with one GPU, with PyTorch, transformers, accelerate and peft, and without the internet: what the trainer needs and
# gives there, against what `plan` says and against TRL alone. Takes less than eight minutes. Prepare it by
# `npm run bench:gpu`. usage: bench/gpu/run.sh [--smoke] (tiny models on the CPU, to try the script)
set -euo pipefail
cd "$(dirname "$0")/../.."
prepared=${PREPARED:-bench/gpu/prepared}
site=$(mktemp -d)
if [ -d "$prepared/wheels" ] && [ "${1:-}" != --smoke ]; then
  python3 -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$prepared"/wheels/*.whl
fi
export PYTHONPATH=$PWD:$site${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
exec "${PYTHON:-python3}" bench/gpu/run.py --cases "$prepared/cases.json" --out "${OUT:-bench/gpu/results}" "$@"
