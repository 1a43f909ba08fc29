"""Fine-tunes a judge: `python -m trainer --job /path/job.json` (see trainer/__main__.py)."""
