"""The canary of an adapter: its own greedy answers to a few prompts of the training, by which a server is checked before
it is used (src/models/serving/adapters/canary.ts). Another program rounds differently, so the log-probability of each
token is recorded, with the adapter and without it, and the tokens that are compared are those that tell both apart."""

import torch

from trainer.conversations import encode

TRIED = 12  # prompts
CONSIDERED = 64  # rows
TOKENS = 16  # of an answer
COMPARED = 16  # tokens of all answers
LARGEST_DIFFERENCE = 5.0  # as in canary.ts


@torch.no_grad()
def record_canary(model, rows, tokenizer, touch):
    """`{distance, answers}` with the tokens on which adapter and base differ most: in most of an answer they agree. `model`
    is a PeftModel that is whole on this device. `touch` is called after each prompt."""
    was_training = model.training
    model.eval()
    answers, differences = [], {}
    for prompt in short_prompts(rows, tokenizer):
        tokens, adapted = greedy(model, prompt)
        with model.disable_adapter():
            base = log_probabilities_of(model, prompt, tokens)
        for position, (a, b) in enumerate(zip(adapted, base)):
            differences[len(answers), position] = min(LARGEST_DIFFERENCE, abs(a - b))
        answers.append((prompt, tokens, adapted, base))
        touch()
    model.train(was_training)
    compared = sorted(differences, key=lambda place: -differences[place])[:COMPARED]
    return {
        'distance': rounded(sum(differences[place] for place in compared) / len(compared)),
        'answers': [
            {
                'prompt': prompt,
                'tokens': tokens,
                'text': tokenizer.decode(tokens),
                'logProbabilities': [rounded(value) for value in adapted],
                'baseLogProbabilities': [rounded(value) for value in base],
                'compared': positions,
            }
            for number, (prompt, tokens, adapted, base) in enumerate(answers)
            if (positions := sorted(position for answer, position in compared if answer == number))
        ],
    }


def short_prompts(rows, tokenizer):
    """Different prompts of the shorter half of some rows: a long one takes long and tells no more."""
    considered = rows[:: max(1, len(rows) // CONSIDERED)]
    prompts = {tuple(encode(tokenizer, row['prompt'], add_generation_prompt=True)[0]) for row in considered}
    ordered = sorted(prompts, key=lambda prompt: (len(prompt), prompt))
    shorter = ordered[: max(TRIED, len(ordered) // 2)]
    return [list(prompt) for prompt in shorter[:: max(1, len(shorter) // TRIED)][:TRIED]]


def greedy(model, prompt):
    """The most probable tokens, each after those before it, and their log-probabilities."""
    cache, tokens, found = None, [], []
    ends = end_tokens(model)
    while len(tokens) < TOKENS and not (tokens and tokens[-1] in ends):
        unread = prompt + tokens if cache is None else tokens[-1:]
        ids = torch.tensor([unread], device=model.device)
        output = model(input_ids=ids, past_key_values=cache, use_cache=True)
        cache = getattr(output, 'past_key_values', None)  # not all architectures have one
        best = output.logits[0, -1].float().log_softmax(-1).max(-1)
        tokens.append(best.indices.item())
        found.append(best.values.item())
    return tokens, found


def end_tokens(model):
    """After one of these a model writes what nobody asked for."""
    ends = getattr(model.generation_config, 'eos_token_id', None)
    return ends if isinstance(ends, list) else [ends]


def log_probabilities_of(model, prompt, tokens):
    """Returns the log-probability of each token after the prompt and the tokens before it."""
    ids = torch.tensor([prompt + tokens], device=model.device)
    predicted = model(input_ids=ids, use_cache=False).logits[0].float().log_softmax(-1)
    return [predicted[len(prompt) - 1 + i, token].item() for i, token in enumerate(tokens)]


def rounded(value):
    return round(max(value, -100.0), 5)  # JSON has no infinity
