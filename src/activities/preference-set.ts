import { canonicalJson } from '../artifacts/canonical-json.ts';
import { InputProblem } from '../artifacts/errors.ts';
import type { Counts, Fingerprint } from '../artifacts/reference.ts';
import { referenceTo } from '../artifacts/store.ts';
import type { Round } from '../config/fine-tuning.ts';
import { shownToJudge } from '../judge/examples.ts';
import {
  isContested,
  preferencePairs,
  type ContestedExample,
  type PreferencePair,
} from '../judge/preference-pairs.ts';
import { renderPrompt, type Message } from '../judge/prompt-template.ts';
import { hashOf } from '../judge/seeds.ts';
import type { Dependencies } from './dependencies.ts';
import type { FilterInput, JudgedInput } from './filter-judgments.ts';
import type { Judgment } from './judge-pairs.ts';
import { markedExamples, type JudgedExample } from './marked-examples.ts';
import { runUris, type ResolvedConfiguration } from './open-run.ts';
import type { StageResult } from './types.ts';

/** A row of DPO's training set, in TRL's preference layout with an explicit prompt. */
export interface PreferenceExample {
  readonly id: string;
  readonly prompt: readonly Message[];
  readonly chosen: readonly Message[];
  readonly rejected: readonly Message[];
  /** Which judgments these are. */
  readonly judgments: { readonly chosen: string; readonly rejected: string };
}

/** What a training set of preference pairs means. */
export function preferencesFingerprint(
  { configuration: { seed, filtering }, prompts }: ResolvedConfiguration,
  { preferencePairsPerExample, rightness }: DpoRound,
  { pairs, judgments }: JudgedInput,
): Fingerprint {
  return {
    schema: 1,
    stage: 'filter-judgments',
    method: 'dpo',
    seed,
    pairs: pairs.sha256,
    judgments: judgments.sha256,
    trainingPrompt: hashOf(canonicalJson(prompts.training)),
    balance: filtering.balance,
    rightness,
    preferencePairsPerExample,
  };
}

type DpoRound = Extract<Round, { method: 'dpo' }>;

/**
 * Makes the preference pairs of an iteration (method, step 5; src/judge/preference-pairs.ts). Two passes over
 * the examples, so that memory holds ids and not texts.
 * @throws InputProblem when less than `filtering.minimumExamples` is left
 */
export async function makePreferenceSet(
  deps: Dependencies,
  input: FilterInput,
  resolved: ResolvedConfiguration,
  round: DpoRound,
  judgedExamples: () => AsyncIterable<JudgedExample>,
): Promise<StageResult> {
  const began = Date.now();
  const { configuration, prompts } = resolved;
  const { preferencePairsPerExample: pairsPerExample, rightness } = round;
  const { seed, filtering } = configuration;
  const { balance } = filtering;
  const uri = runUris.trainingSet(input.run.runName, input.iteration);
  const fingerprint = preferencesFingerprint(resolved, round, input);
  const complete = await deps.store.completed(uri, fingerprint);
  const manifest = complete ?? (await publish());
  return { artifact: referenceTo(manifest), counts: manifest.counts, seconds: (Date.now() - began) / 1000 };

  async function publish() {
    const marked: ContestedExample[] = [];
    for await (const { example, right, wrong } of markedExamples(judgedExamples(), rightness)) {
      const ids = (judgments: readonly Judgment[]) => judgments.map(({ id }) => id);
      marked.push({ id: example.id, side: example.betterSide, right: ids(right), wrong: ids(wrong) });
    }
    const pairs = preferencePairs(marked, { pairsPerExample, balance, seed });
    const counts: Counts = {
      examples: marked.length,
      'examples without a right judgment': marked.filter(({ right }) => right.length === 0).length,
      'examples without a wrong judgment': marked.filter(({ wrong }) => wrong.length === 0).length,
      kept: marked.filter(isContested).length,
      balanced: new Set(pairs.map(({ exampleId }) => exampleId)).size,
      trainingExamples: pairs.length,
    };
    if (pairs.length < filtering.minimumExamples) throw tooFew(counts);
    const byExample = Map.groupBy(pairs, ({ exampleId }) => exampleId);
    return deps.store.publish(uri, { fingerprint, counts, records: preferenceExamples(byExample) });
  }

  async function* preferenceExamples(
    byExample: ReadonlyMap<string, readonly PreferencePair[]>,
  ): AsyncGenerator<PreferenceExample> {
    for await (const { example, judgments } of markedExamples(judgedExamples(), rightness)) {
      const texts = new Map(judgments.map(({ id, text }) => [id, text]));
      const said = (id: string): Message[] => [{ role: 'assistant', content: texts.get(id) ?? '' }];
      const pairs = byExample.get(example.id) ?? [];
      for (const [index, { chosen, rejected }] of pairs.entries()) {
        yield {
          id: `${example.id}/${String(index).padStart(4, '0')}`,
          prompt: renderPrompt(prompts.training, shownToJudge(example)),
          chosen: said(chosen),
          rejected: said(rejected),
          judgments: { chosen, rejected },
        };
      }
    }
  }

  function tooFew(counts: Counts): InputProblem {
    return new InputProblem(
      `iteration ${input.iteration} has ${counts['trainingExamples']} preference pairs, fewer than ` +
        `filtering.minimumExamples (${filtering.minimumExamples}): of ${counts['examples']} examples ` +
        `${counts['examples without a right judgment']} have no right judgment, ` +
        `${counts['examples without a wrong judgment']} no wrong one, ${counts['balanced']} are left after balancing. ` +
        'More pairs, more samples or a higher temperature give more.',
    );
  }
}
