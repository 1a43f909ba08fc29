/**
 * One of two loops over a file of pairs, in a process of its own:
 *
 *     node bench/throughput/loop.ts bare|client ROOT JUDGE_FILE PAIRS OUT BASE_URL IN_FLIGHT
 *
 * `bare` is what one writes by hand: the `openai` client, p-limit, and a file of answers at the end. `client` does the same with
 * the inference client of the checkout ROOT. Nothing is durable in either.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import OpenAI from 'openai';
import pLimit from 'p-limit';
import type { JudgeFile } from '../../src/api/judge-file.ts';
import { type ChatMessage, renderPrompt } from '../../src/method/prompt-template.ts';
import type * as Client from '../../src/models/inference/client.ts';

const [kind, root, judgeFile, pairsFile, out, baseUrl, inFlightText] = process.argv.slice(2) as [
  ...[string, string, string, string, string, string, string],
];
const inFlight = Number(inFlightText);
const { prompt, sampling } = JSON.parse(await readFile(judgeFile, 'utf8')) as JudgeFile;
const pairs = (await readFile(pairsFile, 'utf8'))
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Record<string, string>);
const ask = kind === 'bare' ? bareLoop() : await inferenceClient();
const answers = await Promise.all(pairs.map((_, row) => ask(row)));
await writeFile(out, answers.map((answer) => `${JSON.stringify(answer)}\n`).join(''));

function messagesOf(row: number): ChatMessage[] {
  return renderPrompt(prompt, pairs[row] ?? {});
}

function bareLoop(): (row: number) => Promise<unknown> {
  const openai = new OpenAI({ baseURL: baseUrl, apiKey: 'none' });
  const limit = pLimit(inFlight);
  return (row) =>
    limit(() =>
      openai.chat.completions.create({
        model: 'judge',
        messages: messagesOf(row),
        temperature: sampling.temperature,
        top_p: sampling.topP,
        max_tokens: sampling.maxTokens,
        seed: row,
      }),
    );
}

async function inferenceClient(): Promise<(row: number) => Promise<unknown>> {
  const module = pathToFileURL(join(root, 'src/models/inference/client.ts')).href;
  const { createInferenceClient } = (await import(module)) as typeof Client;
  const client = createInferenceClient({
    concurrency: { minimum: 1, maximum: inFlight },
    requestTimeoutSeconds: 600,
    retry: { attempts: 5, initialSeconds: 0.5, maximumSeconds: 30 },
    environment: {},
  });
  // The client has its own limit; this one keeps prompts from being made long before they are sent, as the stages do.
  const limit = pLimit(2 * inFlight);
  return (row) =>
    limit(() =>
      client.complete({
        endpoints: [{ baseUrl, model: 'judge' }],
        messages: messagesOf(row),
        sampling,
        samples: 1,
        seed: row,
      }),
    );
}
