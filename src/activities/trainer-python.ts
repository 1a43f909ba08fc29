import { existsSync } from 'node:fs';
import { checkTrainer } from '../models/training/launchers/check-trainer.ts';
import type { TrainerMachine } from '../models/training/launchers/launcher.ts';
import { recipeOf, type Round } from '../models/training/recipes/registry.ts';
import { PROGRAM_CALL } from '../platform/program.ts';
import type { Dependencies } from './dependencies.ts';

/** Returns whether a training samples judgments by a vLLM in its process. */
export function samplesByVllm(round: Round): boolean {
  return recipeOf(round).sampling?.(round).vllmMemory !== undefined;
}

/** The interpreter of a round's training. */
export function trainerPython(
  { python, vllmPython }: Pick<Dependencies, 'python' | 'vllmPython'>,
  round: Round,
): string {
  return samplesByVllm(round) ? (vllmPython ?? python) : python;
}

/** Throws an Error that says what to do if a machine, with its Python for such trainings, can't sample by vLLM. */
export async function requireVllm(machine: TrainerMachine, signal: AbortSignal): Promise<void> {
  if (!existsSync(machine.python))
    throw new Error(
      `found "vllm", but there is no Python with vLLM at ${machine.python}: ` +
        `install it by "${PROGRAM_CALL} setup --with vllm-training", or set "generate"`,
    );
  const check = { baseCheckpoint: undefined, trustRemoteCode: false, reportTo: [], signal, needsVllm: true };
  const { problems } = await checkTrainer(machine, check);
  if (problems.length > 0) throw new Error(`found "vllm": ${problems.join('; ')}`);
}
