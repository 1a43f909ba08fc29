"""Prints, as JSON, comparisons of TRL with plain torch, and of a merged model with its base and adapter.

    python check_methods.py loss JOB.json ...       the loss of a DPO batch after a random change of the weights
    python check_methods.py tokens JOB.json ...     the tokens of a DPO batch that carry loss
    python check_methods.py merged BASE FOLDER      the largest difference of logits, and those of the canary
"""

import json
import sys
import tempfile

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from trainer.data import build_training_set, read_rows
from trainer.fine_tune import load_base, make_trainer
from trainer.job import read_job


def trainer_of(job_file):
    job = read_job(job_file)
    rows = read_rows(job.data, job.method)
    tokenizer, model = load_base(job)
    training_set = build_training_set(rows, tokenizer, job)
    trainer = make_trainer(job, tempfile.mkdtemp(), tokenizer, model, training_set)
    return job, training_set.examples, tokenizer, trainer


def loss(job_file):
    """Changes the trained weights at random first: unchanged, policy and reference are equal and the preference loss is
    log 2."""
    job, rows, tokenizer, trainer = trainer_of(job_file)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in trainer.model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.05)
    size = job.hyperparameters.perDeviceBatchSize
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(size)])
    trainer.model.train()
    trl_loss = trainer.compute_loss(trainer.model, batch).item()

    reference = AutoModelForCausalLM.from_pretrained(job.baseCheckpoint, dtype=torch.float32)
    margins, nll, tokens = [], 0.0, 0
    for row in rows[:size]:
        ratio = {}
        for side in ('chosen', 'rejected'):
            policy = completion_log_probabilities(trainer.model, tokenizer, row, side)
            ratio[side] = policy.sum() - completion_log_probabilities(reference, tokenizer, row, side).sum()
            if side == 'chosen':
                nll, tokens = nll - policy.sum(), tokens + len(policy)
        margins.append(job.hyperparameters.beta * (ratio['chosen'] - ratio['rejected']))
    preference = -torch.nn.functional.logsigmoid(torch.stack(margins)).mean()
    torch_loss = (preference + job.hyperparameters.nllWeight * nll / tokens).item()
    return {'trl': trl_loss, 'byHand': torch_loss, 'preference': preference.item(), 'nll': (nll / tokens).item()}


@torch.no_grad()
def completion_log_probabilities(model, tokenizer, row, side):
    """The log-probability of each token after the generation prompt, computed without padding, one conversation at a
    time."""
    model.eval()
    prompt = tokenizer.apply_chat_template(row['prompt'], add_generation_prompt=True, tokenize=False)
    conversation = tokenizer.apply_chat_template(row['prompt'] + row[side], tokenize=False)
    assert conversation.startswith(prompt)
    start, ids = (tokenizer(text, add_special_tokens=False)['input_ids'] for text in (prompt, conversation))
    predicted = model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    return torch.stack([predicted[i - 1, ids[i]] for i in range(len(start), len(ids))])


def tokens(job_file):
    _, _, tokenizer, trainer = trainer_of(job_file)
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(4)])
    sequences = zip(batch['input_ids'], batch['completion_mask'], strict=True)
    texts = [tokenizer.decode(ids[mask.bool()]) for ids, mask in sequences]
    return {'chosen': texts[:4], 'rejected': texts[4:]}


@torch.no_grad()
def merged(base, folder):
    model = f'{folder}/model'
    ids = torch.randint(5, 60, (4, 20), generator=torch.Generator().manual_seed(0))
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    base_logits = plain(ids).logits
    adapted = PeftModel.from_pretrained(plain, f'{folder}/adapter')(ids).logits
    served = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)(ids).logits
    saved = json.load(open(f'{model}/config.json', encoding='utf-8'))['dtype']
    answers = json.load(open(f'{folder}/result.json', encoding='utf-8'))['canary']['answers']
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    ofBase = [log_probabilities(plain, answer) for answer in answers]
    both = PeftModel.from_pretrained(plain, f'{folder}/adapter')
    ofAdapter = [log_probabilities(both, answer) for answer in answers]
    return {
        'canary': {
            'greedy': all(answer['tokens'] == found['best'] for answer, found in zip(answers, ofAdapter)),
            'adapter': largest(answers, 'logProbabilities', ofAdapter),
            'base': largest(answers, 'baseLogProbabilities', ofBase),
            'compared': sum(len(answer['compared']) for answer in answers),
        },
        'difference': (adapted - served).abs().max().item(),
        'learned': (base_logits - served).abs().max().item(),
        'dtype': saved,
    }


def log_probabilities(model, answer):
    """Returns those of the recorded tokens, and the most probable tokens in their places."""
    prompt, tokens = answer['prompt'], answer['tokens']
    predicted = model(torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    return {'values': predicted[range(len(tokens)), tokens].tolist(), 'best': predicted.argmax(-1).tolist()}


def largest(answers, name, found):
    pairs = [pair for answer, each in zip(answers, found) for pair in zip(answer[name], each['values'])]
    return max(abs(a - b) for a, b in pairs)


if __name__ == '__main__':
    command, *arguments = sys.argv[1:]
    checks = {'loss': loss, 'tokens': tokens}
    found = [merged(*arguments)] if command == 'merged' else [checks[command](job) for job in arguments]
    print(json.dumps(found))
