import { canonicalJson } from '../artifacts/canonical-json.ts';
import { InputProblem } from '../artifacts/errors.ts';
import type { WorkRecord } from '../artifacts/resume-shard.ts';
import { parseCategory } from '../judge/category.ts';
import { renderPrompt } from '../judge/prompt-template.ts';
import { hashOf, samplingSeed } from '../judge/seeds.ts';
import type { Dependencies } from './dependencies.ts';
import type { Instruction } from './prepare-pool.ts';
import type { ShardInput, ShardResult } from './types.ts';
import { workOnShard } from './work-on-shard.ts';

/** An instruction with the category that the model put it into; null where it named none. */
export interface CategorizedInstruction extends Instruction {
  readonly category: string | null;
}

/** Asks the model for the category of every instruction of a shard (method, step 1). */
export function categorizeInstructions(deps: Dependencies, input: ShardInput): Promise<ShardResult> {
  return workOnShard<
    Instruction,
    Instruction,
    WorkRecord & { category: string | null },
    CategorizedInstruction
  >(deps, 'categorizeInstructions', input, ({ configuration: { seed, instructions }, prompts }) => {
    const { categories } = instructions;
    const { category: prompt } = prompts;
    if (categories === null || prompt === null) throw new InputProblem('instructions.categories is not set');
    return {
      meaning: {
        stage: 'categorize-instructions',
        prompt: hashOf(canonicalJson(prompt)),
        names: categories.names,
        sampling: categories.sampling,
      },
      units: (items) => items,
      work: async ({ id, instruction }, existing, emit, ask) => {
        if (existing.length > 0) return;
        const { choices, usage } = await ask({
          messages: renderPrompt(prompt, { instruction, categories: categories.names.join(', ') }),
          sampling: categories.sampling,
          samples: 1,
          seed: samplingSeed(seed, 'categorize', id),
        });
        const category = parseCategory(choices[0]?.text ?? '', categories.names) ?? null;
        emit({ id, unit: id, category, usage });
      },
      assemble: (instruction, records) => records.map(({ category }) => ({ ...instruction, category })),
      count: (made) =>
        Object.fromEntries(
          [...categories.names, null].map((name) => [
            `category: ${name ?? 'none'}`,
            made.filter(({ category }) => category === name).length,
          ]),
        ),
    };
  });
}
