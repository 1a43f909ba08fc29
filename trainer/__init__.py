"""Fine-tunes a judge: `python -m trainer --job /path/job.json` (docstring of trainer/__main__.py)."""
