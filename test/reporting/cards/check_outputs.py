"""Loads the outputs of a run with the libraries that users load them with, and prints the results as JSON.

    python check_outputs.py DATASETS MODEL BASE SCRATCH

DATASETS and MODEL are the folders of a run's outputs, BASE a checkpoint to train one step on each training set.
"""

import contextlib
import io
import json
import os
import re
import sys

import pyarrow.parquet
from datasets import get_dataset_config_names, load_dataset
from huggingface_hub import DatasetCard, ModelCard
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

TRAINERS = {'prompt-completion': (SFTTrainer, SFTConfig), 'preference': (DPOTrainer, DPOConfig)}


def training_sets(folder, base, scratch):
    found = {}
    for config in get_dataset_config_names(folder):
        for split, rows in load_dataset(folder, config, cache_dir=os.path.join(scratch, 'cache')).items():
            source = os.path.join(folder, split.replace('_', '-'))
            with open(os.path.join(source, 'records.jsonl'), encoding='utf-8') as lines:
                same = [json.loads(line) for line in lines] == rows.to_list()
            parquet = pyarrow.parquet.ParquetFile(os.path.join(source, 'train.parquet'))
            found[f'{config}/{split}'] = {
                'rows': rows.num_rows,
                'sameAsLines': same,
                'prompt': str(parquet.schema_arrow.field('prompt').type),
                'first': rows[0],
                'categories': sorted({str(row['category']) for row in rows}),
                'loss': one_step(config, rows, base, os.path.join(scratch, split)),
            }
    return found


def one_step(config, rows, base, scratch):
    trainer, arguments = TRAINERS[config]
    options = arguments(scratch, max_steps=1, per_device_train_batch_size=2, report_to=[], use_cpu=True, bf16=False)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype='float32')
    return trainer(model=model, args=options, train_dataset=rows, processing_class=tokenizer).train().training_loss


def model(folder):
    card = ModelCard.load(os.path.join(folder, 'README.md'))
    snippet = re.search(r'```python\n(.*?)\n```', card.text, re.DOTALL)[1]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(re.sub(r'^MODEL = .*$', f'MODEL = {folder!r}', snippet, flags=re.MULTILINE), {})
    return {
        'tags': card.data.tags,
        'figures': [[r.dataset_name, r.metric_name, r.metric_value] for r in card.data.eval_results],
        'snippet': output.getvalue(),
        'template': AutoTokenizer.from_pretrained(folder).chat_template,
        'endsAt': GenerationConfig.from_pretrained(folder).eos_token_id,
        'usesCache': AutoConfig.from_pretrained(folder).use_cache,
        'dtype': str(AutoModelForCausalLM.from_pretrained(folder, dtype='auto').dtype),
    }


def main(datasets, judge, base, scratch):
    sets = None
    with contextlib.redirect_stdout(sys.stderr):
        sets = training_sets(datasets, base, scratch)
    DatasetCard.load(os.path.join(datasets, 'README.md'))
    print(json.dumps({'sets': sets, 'model': model(judge)}))


if __name__ == '__main__':
    main(*sys.argv[1:])
