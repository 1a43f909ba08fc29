import type { StageName } from '../api/stages.ts';
import { canonicalJson } from '../platform/canonical-json.ts';
import { InvalidInput } from '../platform/invalid-input.ts';
import type { Counts, Fingerprint } from '../store/artifact.ts';
import type { ShardRecord } from '../store/shard-types.ts';
import { requireGeneration } from '../config/pair-source.ts';
import { marksFingerprintInputs, reasoningMarksOf } from '../config/reasoning.ts';
import type { SamplingParameters } from '../method/sampling-parameters.ts';
import { parseCategory } from '../method/parse-category.ts';
import { parseComplexity } from '../method/parse-complexity.ts';
import { answerOf } from '../method/reasoning.ts';
import { renderPrompt, type PromptTemplate } from '../method/prompt-template.ts';
import { stableHash } from '../platform/stable-hash.ts';
import { samplingSeed } from '../method/seeds.ts';
import type { Dependencies } from './dependencies.ts';
import { openRun, type ResolvedConfiguration } from '../runs/open-run.ts';
import type { PoolInstruction } from './prepare-pool.ts';
import type { ShardInput, ShardResult } from '../api/activity-types.ts';
import { processShard } from './process-shard.ts';
import type { CategorizedInstruction } from '../runs/records.ts';

type CategorizationRecord = ShardRecord &
  ({ readonly category: string | null } | { readonly complexity: number | null });

/** A question that is asked about every instruction, and the parser of its answers. */
interface CategorizationQuestion {
  readonly name: 'category' | 'complexity';
  readonly prompt: PromptTemplate;
  readonly sampling: SamplingParameters;
  readonly values: Readonly<Record<string, string>>;
  readonly read: (answer: string) => Pick<CategorizedInstruction, 'category' | 'complexity'>;
}

/**
 * Asks the model for the category of every instruction of a shard (method, step 1). If complexity is configured, it
 * also asks for the complexity of the instructions whose category is kept. Each question is a request of its own with
 * its own prompt.
 */
export function categorizeInstructions(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return processShard<
    ResolvedConfiguration,
    PoolInstruction,
    PoolInstruction,
    CategorizationRecord,
    CategorizedInstruction
  >(deps, 'categorizeInstructions', input, openRun, (resolved) => {
    const { seed } = resolved.configuration;
    const { instructions } = requireGeneration(resolved.configuration);
    const { categories, complexity } = instructions;
    const questions = questionsOf(resolved);
    const marks = reasoningMarksOf(resolved.configuration);
    return {
      fingerprintInputs: categorizationFingerprintInputs(resolved),
      units: (items) => items,
      work: async ({ id, instruction }, existing, emit, ask) => {
        for (const { name, prompt, sampling, values, read } of questions) {
          const answer = existing.find((record) => name in record) ?? (await find());
          if (
            'category' in answer &&
            !(answer.category !== null && categories?.keep.includes(answer.category))
          )
            return;

          async function find(): Promise<CategorizationRecord> {
            const { choices, usage } = await ask({
              messages: renderPrompt(prompt, { instruction, ...values }),
              sampling,
              samples: 1,
              seed: samplingSeed(seed, name === 'category' ? 'categorize' : 'complexity', id),
            });
            const record = {
              id: `${id}/${name}`,
              unit: id,
              ...read(choices[0] === undefined ? '' : answerOf(choices[0], marks)),
              usage,
            } as CategorizationRecord;
            emit(record);
            return record;
          }
        }
      },
      assembleResults: (instruction, records) => {
        const findings = records.map(({ id: _id, unit: _unit, usage: _usage, ...found }) => found);
        return [Object.assign({ ...instruction }, ...findings) as CategorizedInstruction];
      },
      countResults: (instructions) => ({
        ...(categories === null ? {} : countBy('category', [...categories.names, null], instructions)),
        ...(complexity === null ? {} : countBy('complexity', [1, 2, 3, 4, 5, null], instructions)),
      }),
    };
  });
}

function questionsOf({ configuration, prompts }: ResolvedConfiguration): CategorizationQuestion[] {
  const { categories, complexity } = requireGeneration(configuration).instructions;
  const questions: CategorizationQuestion[] = [];
  if (categories !== null && prompts.category !== null) {
    questions.push({
      name: 'category',
      prompt: prompts.category,
      sampling: categories.sampling,
      values: { categories: categories.names.join(', ') },
      read: (answer) => ({ category: parseCategory(answer, categories.names) ?? null }),
    });
  }
  if (complexity !== null && prompts.complexity !== null) {
    questions.push({
      name: 'complexity',
      prompt: prompts.complexity,
      sampling: complexity.sampling,
      values: {},
      read: (answer) => ({ complexity: parseComplexity(answer) ?? null }),
    });
  }
  if (questions.length === 0)
    throw new InvalidInput('neither instructions.categories nor instructions.complexity is set');
  return questions;
}

/**
 * The fingerprint inputs of a shard's categories. `keep` is one of them only if it decides which questions are asked.
 */
export function categorizationFingerprintInputs(resolved: ResolvedConfiguration): Fingerprint {
  const { categories, complexity } = requireGeneration(resolved.configuration).instructions;
  const keep = complexity === null ? null : (categories?.keep ?? null);
  const questionInputs = questionsOf(resolved).map(({ name, prompt, sampling }) => [
    name,
    { prompt: stableHash(canonicalJson(prompt)), sampling },
  ]);
  return {
    stage: 'categorizeInstructions' satisfies StageName,
    ...(Object.fromEntries(questionInputs) as Record<
      string,
      { prompt: string; sampling: SamplingParameters }
    >),
    names: categories?.names ?? null,
    keep,
    ...marksFingerprintInputs(resolved.configuration),
  };
}

function countBy(
  field: 'category' | 'complexity',
  values: readonly (string | number | null)[],
  instructions: readonly CategorizedInstruction[],
): Counts {
  return Object.fromEntries(
    values.map((value) => [
      `${field}: ${value ?? 'none'}`,
      instructions.filter((instruction) => instruction[field] === value).length,
    ]),
  );
}
