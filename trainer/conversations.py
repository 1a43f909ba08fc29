"""Renders conversations with a checkpoint's own tokenizer and chat template, and checks that nothing of them gets lost.

The same check is made before a run begins, on conversations with the run's own prompts (trainer/preflight.py), and
before the first step of a training, on its rows (trainer/data.py).
"""

import os
from dataclasses import dataclass, field

from trainer.errors import ConfigurationError

WITHOUT_SYSTEM = "put the text of the prompt's system.txt at the beginning of its user.txt, and delete system.txt"
OTHER_TEMPLATE = "save a template without this fault as chat_template.jinja in a copy of the checkpoint's folder"


def load_tokenizer(checkpoint, trust_remote_code):
    """The tokenizer of a checkpoint. If its only chat template has a name, it is the one that is used. Raises
    ConfigurationError if it has several and none of them is the default."""
    from transformers import AutoTokenizer  # takes seconds, and the rows of a training set are checked before

    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=trust_remote_code)
    if isinstance(tokenizer.chat_template, dict):
        templates = tokenizer.chat_template
        if len(templates) == 1:
            (tokenizer.chat_template,) = templates.values()
        elif 'default' not in templates:
            raise ConfigurationError(
                f'base checkpoint {checkpoint}: its tokenizer has several chat templates ({", ".join(sorted(templates))}), '
                'and none of them is called "default": save the one to use as chat_template.jinja in a copy of the folder'
            )
    return tokenizer


@dataclass
class Conversation:
    """A prompt and its answer, lists of messages, as the model gets them. Only the answer carries loss: it begins at the
    first token in which the full conversation differs from the prompt as it is served (with the generation prompt). With
    some chat templates that is a few tokens before the end of the prompt."""

    prompt: list
    answer: list
    text: str
    ids: list
    begin: int  # the first token with loss
    places: list | None = field(repr=False)  # the place of each token in the text; None if the tokenizer can't tell
    shown: str  # the prompt as it is served

    @property
    def learned_from(self):
        """The place in the text where the part with loss begins."""
        if self.places is None:
            return len(os.path.commonprefix([self.shown, self.text]))
        return self.places[self.begin][0] if self.begin < len(self.ids) else len(self.text)


class TemplateRefuses(Exception):
    """A chat template raises an exception. The message is that of the template."""


def converse(prompt, answer, tokenizer):
    """Raises TemplateRefuses."""
    shown_ids, _ = encode(tokenizer, prompt, add_generation_prompt=True)
    ids, places = encode(tokenizer, prompt + answer)
    shortest = min(len(shown_ids), len(ids))
    begin = next((i for i, (a, b) in enumerate(zip(shown_ids, ids)) if a != b), shortest)
    text = render(tokenizer, prompt + answer)
    shown = render(tokenizer, prompt, add_generation_prompt=True)
    return Conversation(prompt, answer, text, ids, begin, places, shown)


def encode(tokenizer, messages, **options):
    """`(token ids, their places in the rendered text)`."""
    if getattr(tokenizer, 'is_fast', False):
        options['tokenizer_kwargs'] = {'return_offsets_mapping': True}
    found = render(tokenizer, messages, tokenize=True, return_dict=True, **options)
    return found['input_ids'], found.get('offset_mapping')


def render(tokenizer, messages, tokenize=False, **options):
    try:
        return tokenizer.apply_chat_template(messages, tokenize=tokenize, **options)
    except Exception as error:  # a template may raise any
        raise TemplateRefuses(' '.join(f'{type(error).__name__}: {error}'.split())) from error


def conversation_problem(prompt, answer, tokenizer, rows=None):
    """Why a model would not see all of a prompt, or not learn exactly its answer; None if it would.
    @param rows: the number of rows of the model's embedding; None if it is not known"""
    try:
        return problem_of(converse(prompt, answer, tokenizer), tokenizer, rows)
    except TemplateRefuses as refusal:
        return refusal_problem(prompt, answer, tokenizer, refusal)


def problem_of(conversation, tokenizer, rows=None):
    """The same for a conversation that is rendered."""
    text, cut = conversation.text, conversation.learned_from
    for number, message in enumerate(conversation.prompt, 1):
        if place_of(message['content'], text, 0, cut) is None:
            return lost_message(message, number, conversation)
    answer = conversation.answer[-1]['content']
    place = place_of(answer, text, cut, len(text))
    if place is None:
        return lost_answer(answer, text, cut)
    if not has_end_token(conversation, place[1], tokenizer):
        return (
            f'its chat template writes no end token after an answer, so the judge would never learn to stop: {OTHER_TEMPLATE}'
        )
    return None if rows is None else embedding_problem(max(conversation.ids), tokenizer, rows)


def refusal_problem(prompt, answer, tokenizer, refusal):
    """Says whether a template refuses a conversation because of its system message."""
    others = [message for message in prompt if message['role'] != 'system']
    if len(others) < len(prompt):
        try:
            converse(others, answer, tokenizer)
        except TemplateRefuses:
            pass
        else:
            return f'its chat template refuses a system message ({refusal}): {WITHOUT_SYSTEM}'
    return f'its chat template refuses the conversation ({refusal}): {OTHER_TEMPLATE}'


def lost_message(message, number, conversation):
    if message['role'] == 'system':
        return f'its chat template leaves out the system message, or a part of it: {WITHOUT_SYSTEM}'
    if place_of(message['content'], conversation.text, 0, len(conversation.text)):
        return (
            f'the loss would lie on message {number} of the prompt ({message["role"]}) too, because its chat template renders '
            f'a prompt in another way once it has an answer: {OTHER_TEMPLATE}'
        )
    return f'its chat template leaves out a part of message {number} of the prompt ({message["role"]}): {OTHER_TEMPLATE}'


def lost_answer(answer, text, cut):
    what, advice = 'a part of the answer', OTHER_TEMPLATE
    words = answer.split()
    begins, ends = (place_of(' '.join(part), text, cut, len(text)) for part in (words[:3], words[-1:]))
    if ends and not begins:  # as before </think> or [/THINK]
        what = 'the beginning of the answer, as templates do with reasoning'
        advice += ', or train on judgments without reasoning (filtering.reasoning: "drop")'
    learned = quoted(text[cut:])
    return f'its chat template leaves out {what}; of {quoted(answer)} the model would learn {learned}: {advice}'


def quoted(text):
    """A text in one line and in quotation marks; only its ends if it is long."""
    line = ' '.join(text.split())
    return f'"{line}"' if len(line) <= 120 else f'"{line[:60]} ... {line[-50:]}"'


def has_end_token(conversation, end, tokenizer):
    """Tells whether a special token follows the place where the answer ends. It is not always `eos_token`."""
    for i in range(len(conversation.ids) - 1, conversation.begin - 1, -1):
        if conversation.places is not None and conversation.places[i][1] <= end:
            return False
        token = conversation.ids[i]
        if token in tokenizer.all_special_ids or token in tokenizer.added_tokens_decoder:
            return True
    return False


def tokenizer_problem(tokenizer, rows):
    """Why a tokenizer can't be used, whatever the conversation; None if it can."""
    if not tokenizer.chat_template:
        return 'its tokenizer has no chat template: save one as chat_template.jinja in a copy of the folder'
    if tokenizer.pad_token_id is None and tokenizer.eos_token_id is None:
        return 'its tokenizer has no pad and no end token'
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    return None if rows is None else embedding_problem(pad, tokenizer, rows)


def embedding_problem(token, tokenizer, rows):
    """Why the model has no weights for a token; None if it has."""
    if token < rows:
        return None
    return (
        f'its tokenizer is larger than its embedding (tokenizer {len(tokenizer)}, embedding {rows}): the token '
        f'{tokenizer.convert_ids_to_tokens(token)!r} has the id {token}, for which the model has no weights. Use a checkpoint '
        'whose embedding was resized (resize_token_embeddings), or take the token out of the tokenizer'
    )


def place_of(wanted, text, begin, end):
    """`(begin, end)` of the last place of a text between two places of another one, whatever their white space, which
    templates add and remove; None if it isn't there."""
    wanted = wanted.strip()
    at = text.rfind(wanted, begin, end)
    if at >= 0:
        return at, at + len(wanted)
    places = [i for i in range(begin, end) if not text[i].isspace()]
    wanted = ''.join(wanted.split())
    at = ''.join(text[i] for i in places).rfind(wanted)
    return (places[at], places[at + len(wanted) - 1] + 1) if at >= 0 else None
