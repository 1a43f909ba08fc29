"""Writes the instruction pool of the example: instructions without answers. The model writes most of them; the others are made by
templates from the documentation of Python's standard library and from a list of words.

    python make_instructions.py FOLDER FILE     # FOLDER: the checkpoint; FILE: the pool. Takes 3 minutes on one core.

`npm run smollm2` calls it.

All random choices depend on --seed. On another machine, rounding may change some of the texts that the model writes.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import random
import re
import sys
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "embedded"))

from checkpoints import Checkpoint  # noqa: E402
from engine import Engine, Job  # noqa: E402
from sampling import Sampling  # noqa: E402

TOPICS = (
    "rain snow wind clouds thunder rivers lakes mountains deserts forests islands volcanoes earthquakes the moon stars planets "
    "dogs cats horses birds fish whales spiders bees ants butterflies snakes lions elephants mice farms gardens trees flowers "
    "apples bread rice soup coffee tea milk sugar salt cooking breakfast dinner restaurants vegetables fruit health sleep exercise "
    "doctors hospitals medicine teeth eyes hearts bones schools teachers books libraries writing reading letters poems stories "
    "languages grammar history kings castles wars museums paintings music guitars pianos singing dancing theatre films cameras "
    "radio television newspapers telephones computers keyboards software programming databases the internet email passwords games "
    "football tennis swimming running chess bicycles cars trains ships planes roads bridges houses kitchens windows doors beds "
    "chairs lamps clocks clothes shoes hats money banks shops markets jobs offices meetings managers customers taxes laws courts "
    "elections cities villages parks families children friends birthdays holidays weddings gifts travel hotels maps beaches camping "
    "energy electricity batteries engines magnets light sound heat water ice air oxygen iron gold glass paper plastic recycling "
    "numbers fractions percentages geometry triangles circles graphs statistics measurement temperature weight speed time calendars"
).replace("the moon", "the_moon").replace("the internet", "the_internet").split()
MODULES = "calendar collections csv datetime email.utils fractions glob html itertools json math os.path random re shutil statistics string textwrap time zipfile"
REQUESTS = ("Write one short question about {topic}.", "Write a question that a child could ask about {topic}.")
TEMPLATES = (
    "Use the word {topic} in a sentence.",
    "Name one thing that people like about {topic}.",
    "Describe {topic} in one sentence.",
    "Give one reason why {topic} can be useful.",
    "What are {topic}?",
    "Where can you find {topic}?",
    "Why do people need {topic}?",
)
FROM_MODEL, FROM_DOCUMENTATION, FROM_WORDS = 450, 120, 400
SAMPLES = 4
QUESTION_START = re.compile(r"^(Who|What|When|Where|Why|Which|How|Is|Are|Do|Does|Can)\b")


def written_by_model(folder: Path, rng: random.Random, seed: int) -> list[str]:
    checkpoint = Checkpoint.load(folder, torch.bfloat16, 10**8)
    engine = Engine(on_failure=lambda error: sys.exit(repr(error)), cache_bytes=10**9)
    jobs = []
    requests = [(topic.replace("_", " "), request) for topic in TOPICS for request in REQUESTS]
    for topic, request in requests:
        prompt = checkpoint.encode([{"role": "user", "content": request.format(topic=topic)}])
        jobs.append(Job(checkpoint, prompt, SAMPLES, seed + len(jobs) * SAMPLES, Sampling(0.7, 0.9, 32, ("?",))))
    results = [engine.submit(job) for job in jobs]
    texts = [
        text
        for (topic, _), result in zip(requests, results, strict=True)
        for completion in result.result()
        if topic[:4] in (text := first_line(completion.text) + "?").lower()
    ]
    return rng.sample(found := usable(texts), min(FROM_MODEL, len(found)))


def first_line(text: str) -> str:
    lines = text.strip().splitlines() or [""]
    return re.sub(r"^[\"'*\d.\s-]+|[\"'*\s]+$", "", lines[0])


def usable(texts: list[str]) -> list[str]:
    """The questions of 4 to 20 words, without duplicates and without those about questions or sentences."""
    kept = {
        text.lower(): text
        for text in texts
        if QUESTION_START.match(text) and 4 <= len(text.split()) <= 20 and not re.search(r"question|sentence|\bask", text, re.I)
    }
    return sorted(kept.values())


def from_documentation(rng: random.Random) -> list[str]:
    texts = []
    for module in MODULES.split():
        for name, value in sorted(inspect.getmembers(importlib.import_module(module), inspect.isroutine)):
            sentence = (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")
            if name.startswith("_") or not sentence.endswith(".") or not 5 <= len(sentence.split()) <= 20:
                continue
            texts.append(f'What does the function "{name}" of Python\'s module "{module}" do?')
            texts.append(f"Say in other words: {sentence}")
    return rng.sample(sorted(set(texts)), FROM_DOCUMENTATION)


def from_words(rng: random.Random) -> list[str]:
    texts = [template.format(topic=topic.replace("_", " ")) for topic in TOPICS for template in TEMPLATES]
    return rng.sample(texts, FROM_WORDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = random.Random(options.seed)
    instructions = [
        *written_by_model(options.folder, rng, options.seed),
        *from_documentation(rng),
        *from_words(rng),
    ]
    rng.shuffle(instructions)
    lines = [json.dumps({"instruction": text}, ensure_ascii=False) + "\n" for text in dict.fromkeys(instructions)]
    options.file.write_text("".join(lines), encoding="utf-8")
    print(f"{len(lines)} instructions")


if __name__ == "__main__":
    main()
