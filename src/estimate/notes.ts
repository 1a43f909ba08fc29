import type { RunEstimate } from '../api/estimate.ts';
import { findGeneration } from '../config/pair-source.ts';
import type { Configuration } from '../config/run-configuration.ts';
import { formatPercent } from '../platform/format-percent.ts';
import { recipeOf } from '../models/training/recipes/registry.ts';
import { rateNameOf } from './expected-usage.ts';
import type { EstimateSource } from './estimate-inputs.ts';

/**
 * Sentences about what the numbers leave out or approximate, in addition to the assumptions.
 * @param hasShape whether the size of the model is known
 */
export function estimateNotes(
  configuration: Configuration,
  source: EstimateSource | undefined,
  { rates, probe, stages }: Pick<RunEstimate, 'rates' | 'probe' | 'stages'>,
  hasShape: boolean,
): string[] {
  const { inference, earlyStopping, fineTuning } = configuration;
  const notes = [
    'Retries after a failure, and the requests of one token that check an endpoint, are not counted.',
    'A prompt counts once for all samples of a request; an endpoint that does not support "n" gets one request for each sample.',
    'Correct judgments are spread over examples by a Beta distribution; both sides are assumed to be in balance.',
  ];
  const note = (condition: boolean, text: string) => {
    if (condition) notes.push(text);
  };
  if (source !== undefined && source.rowsRead < source.rows) {
    const read = `Only ${source.rowsRead} of ${source.rows} rows of ${source.kind === 'pairs' ? 'the provided pairs' : 'the pool'} were read`;
    notes.push(`${read}; the share of usable ones is assumed to be the same in all rows.`);
  }
  const { nearDuplicates = null } = findGeneration(configuration)?.instructions.filters ?? {};
  note(nearDuplicates !== null, 'Near-duplicates were not removed: the pool may be smaller.');
  note(
    configuration.filtering.minReasoning !== null,
    'How many correct judgments are guesses, which filtering.minReasoning leaves out, is not known: there may be more judgments and fewer training examples.',
  );
  const sampling = fineTuning.rounds.slice(0, configuration.iterations).flatMap((round) => {
    const { vllmMemory } = recipeOf(round).sampling?.(round) ?? {};
    return recipeOf(round).sampling === undefined ? [] : [{ method: round.method, vllmMemory }];
  });
  const methods = [...new Set(sampling.map(({ method }) => method))].join(', ');
  const shares = new Set(
    sampling.flatMap(({ vllmMemory = 0 }) => (vllmMemory > 0 ? [formatPercent(vllmMemory)] : [])),
  );
  note(
    shares.size > 0,
    `vLLM in the trainer takes ${[...shares].join(', ')} of the memory of each GPU beside what is listed.`,
  );
  note(
    sampling.length > 0,
    `Trainings by ${methods} sample judgments, which takes most of their time: a rate that was measured on another method is too high for them.`,
  );
  const { adapter } = fineTuning;
  note(
    sampling.length > 0 && adapter.kind === 'lora' && adapter.dropout > 0,
    `Trainings by ${methods} turn the adapter's dropout off: the judge that samples is the one that learns.`,
  );
  note(earlyStopping !== null, 'Early stopping may end the run before its last iteration.');
  note(
    stages.some(({ reused }) => reused > 0),
    'Reused artifacts are recognized by their fingerprints only; the run also verifies their contents. An unfinished shard counts as not done.',
  );
  const trained = fineTuning.adapter.kind === 'lora' ? 'under LoRA' : 'with all weights trained';
  note(hasShape, `Memory is for the longest example (maxLength) ${trained}, on CUDA, by rules of thumb.`);
  const working = stages.filter(({ whole }) => whole.requests + whole.trainingTokens > 0);
  const names = [...new Set(working.map(({ stage }) => rateNameOf(stage)))];
  const withoutRate = names.filter((stage) => rates[stage] === undefined);
  note(
    withoutRate.length > 0,
    `No time for ${withoutRate.join(', ')}, because there is no rate: set one by --rates FILE, or measure those of the models by --probe; that of fine-tuning is known after a first run in this store.`,
  );
  note(
    withoutRate.length < names.length,
    'Time is that of the work only, without the loading of models, waiting and pauses.',
  );
  const isMeasured = Object.values(rates).some(({ from }) => from === 'probe');
  const inFlight = inference.concurrentRequestsPerShard * inference.concurrentShards;
  note(
    isMeasured,
    `Rates were measured with ${probe?.atOnce} requests in flight; the run has up to ${inFlight}, and may be faster.`,
  );
  return notes;
}
