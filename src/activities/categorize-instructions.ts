import { canonicalJson } from '../artifacts/canonical-json.ts';
import { InputProblem } from '../artifacts/errors.ts';
import type { Counts, Fingerprint } from '../artifacts/reference.ts';
import type { WorkRecord } from '../artifacts/resume-shard.ts';
import { generationOf } from '../config/pair-source.ts';
import type { Sampling } from '../config/schema.ts';
import { parseCategory } from '../judge/category.ts';
import { parseComplexity } from '../judge/complexity.ts';
import { renderPrompt, type PromptTemplate } from '../judge/prompt-template.ts';
import { hashOf, samplingSeed } from '../judge/seeds.ts';
import type { Dependencies } from './dependencies.ts';
import type { ResolvedConfiguration } from './open-run.ts';
import type { Instruction } from './prepare-pool.ts';
import type { ShardInput, ShardResult } from './types.ts';
import { workOnShard } from './work-on-shard.ts';

/** An instruction with what the model says about it: null where its answer names nothing, absent where it wasn't asked. */
export interface CategorizedInstruction extends Instruction {
  readonly category?: string | null;
  /** 1 to 5. */
  readonly complexity?: number | null;
}

type Finding = WorkRecord & ({ readonly category: string | null } | { readonly complexity: number | null });

/** A question about every instruction, and what its answers mean. */
interface Question {
  readonly name: 'category' | 'complexity';
  readonly prompt: PromptTemplate;
  readonly sampling: Sampling;
  readonly values: Readonly<Record<string, string>>;
  readonly read: (answer: string) => Pick<CategorizedInstruction, 'category' | 'complexity'>;
}

/**
 * Asks the model for the category of every instruction of a shard (method, step 1), and where the configuration wants
 * it for the complexity of those whose category is kept: one question a request, each under its own prompt.
 */
export function categorizeInstructions(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return workOnShard<Instruction, Instruction, Finding, CategorizedInstruction>(
    deps,
    'categorizeInstructions',
    input,
    (resolved) => {
      const { seed } = resolved.configuration;
      const { instructions } = generationOf(resolved.configuration);
      const { categories, complexity } = instructions;
      const questions = questionsOf(resolved);
      return {
        meaning: categorizingMeaning(resolved),
        units: (items) => items,
        work: async ({ id, instruction }, existing, emit, ask) => {
          for (const { name, prompt, sampling, values, read } of questions) {
            const there = existing.find((record) => name in record) ?? (await find());
            if (
              'category' in there &&
              !(there.category !== null && categories?.keep.includes(there.category))
            )
              return;

            async function find(): Promise<Finding> {
              const { choices, usage } = await ask({
                messages: renderPrompt(prompt, { instruction, ...values }),
                sampling,
                samples: 1,
                seed: samplingSeed(seed, name === 'category' ? 'categorize' : 'complexity', id),
              });
              const found = {
                id: `${id}/${name}`,
                unit: id,
                ...read(choices[0]?.text ?? ''),
                usage,
              } as Finding;
              emit(found);
              return found;
            }
          }
        },
        assemble: (instruction, records) => {
          const findings = records.map(({ id: _id, unit: _unit, usage: _usage, ...found }) => found);
          return [Object.assign({ ...instruction }, ...findings) as CategorizedInstruction];
        },
        count: (made) => ({
          ...(categories === null ? {} : countBy('category', [...categories.names, null], made)),
          ...(complexity === null ? {} : countBy('complexity', [1, 2, 3, 4, 5, null], made)),
        }),
      };
    },
  );
}

function questionsOf({ configuration, prompts }: ResolvedConfiguration): Question[] {
  const { categories, complexity } = generationOf(configuration).instructions;
  const questions: Question[] = [];
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
    throw new InputProblem('neither instructions.categories nor instructions.complexity is set');
  return questions;
}

/** What the categories of a shard follow from. `keep` matters only where it decides what is asked. */
export function categorizingMeaning(resolved: ResolvedConfiguration): Fingerprint {
  const { categories, complexity } = generationOf(resolved.configuration).instructions;
  const keep = complexity === null ? null : (categories?.keep ?? null);
  const asked = questionsOf(resolved).map(({ name, prompt, sampling }) => [
    name,
    { prompt: hashOf(canonicalJson(prompt)), sampling },
  ]);
  return {
    stage: 'categorize-instructions',
    ...(Object.fromEntries(asked) as Record<string, { prompt: string; sampling: Sampling }>),
    names: categories?.names ?? null,
    keep,
  };
}

function countBy(
  field: 'category' | 'complexity',
  values: readonly (string | number | null)[],
  made: readonly CategorizedInstruction[],
): Counts {
  return Object.fromEntries(
    values.map((value) => [
      `${field}: ${value ?? 'none'}`,
      made.filter((instruction) => instruction[field] === value).length,
    ]),
  );
}
