"""The verdict of a judgment, as src/method/verdict.ts, src/method/tasks.ts and src/method/reasoning.ts define it (a test
compares them)."""

import re

LETTER = re.compile(r'\[\[([ABC])\]\]')
VERDICTS = {'A': 'A', 'B': 'B', 'C': 'tie'}
SCORE = re.compile(r'\[\[([0-9]+)\]\]')
SCORES = re.compile(r'\[\[([AB]): ([0-9]+)\]\]')
CHOICE = re.compile(r'\[\[([A-Z])\]\]')
CORRECTNESS = re.compile(r'\[\[(correct|incorrect)\]\]')
VALID = {str(score) for score in range(1, 11)}
# Reasoning begins at the beginning of a line, or behind a special token.
BEFORE_START = re.compile(r'(?:^|\n|\|>(?:assistant)?)[^\S\n]*\Z')


def verdict_of(text, marks):
    """`A`, `B`, `tie` or `none`. `marks` are those around reasoning, `[{start, end}]`."""
    letters = set(LETTER.findall(answer_of(text, marks)))
    return VERDICTS[letters.pop()] if len(letters) == 1 else 'none'


def score_of(text, marks):
    """The score of a single response, from 1 to 10; None without one, or with two that differ."""
    return single(SCORE.findall(answer_of(text, marks)))


def choice_of(text, marks):
    """The letter of the best of several responses; None without one, or with two that differ."""
    return only(CHOICE.findall(answer_of(text, marks)))


def correctness_of(text, marks):
    """`correct` or `incorrect`; None if the text has neither or both."""
    return only(CORRECTNESS.findall(answer_of(text, marks)))


def scores_of(text, marks):
    """The scores of both responses by side, written as `[[A: 7]]`; None unless each has one."""
    found = SCORES.findall(answer_of(text, marks))
    scores = {side: single(score for letter, score in found if letter == side) for side in 'AB'}
    return None if None in scores.values() else scores


def single(scores):
    """The one valid score among texts; None if there is none, or another one beside it."""
    score = only(scores)
    return int(score) if score in VALID else None


def only(found):
    """Returns what all texts are; None if there is none, or two differ."""
    distinct = set(found)
    return distinct.pop() if len(distinct) == 1 else None


def answer_of(text, marks):
    """Returns what stands behind the last end of reasoning; empty if the reasoning has no end."""
    ends = [match for match in any_of(mark.get('end') for mark in marks).finditer(text) if not is_quoted(text, match)]
    answer = text[ends[-1].end() :] if ends else text
    for match in any_of(mark.get('start') for mark in marks).finditer(answer):
        if BEFORE_START.search(answer[: match.start()][-200:]):
            return ''
    return answer


def any_of(texts):
    """Matches any of the texts, in small or capital letters."""
    escaped = [re.escape(text) for text in texts if text is not None]
    return re.compile('|'.join(escaped) if escaped else r'(?!)', re.IGNORECASE)


def is_quoted(text, match):
    """A mark in quotes or backticks is a part of the text."""
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    return before != '' and before == after and before in '`\'"'
