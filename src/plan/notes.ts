import { generationIn } from '../config/pair-source.ts';
import type { Configuration } from '../config/schema.ts';
import type { Plan } from './plan-schema.ts';
import type { PlanSource } from './plan-inputs.ts';
import type { Probed } from './probe.ts';
import { rateOf, type Rates } from './rates.ts';

interface Noted {
  readonly configuration: Configuration;
  readonly source: PlanSource | undefined;
  readonly rates: Rates;
  readonly probed: Probed | undefined;
  readonly stages: Plan['stages'];
  readonly hasShape: boolean;
  /** Nothing of the run is in the store. */
  readonly isFresh: boolean;
}

/** What a plan's numbers rest on beside its assumptions, in sentences. */
export function notesOf({
  configuration,
  source,
  rates,
  probed,
  stages,
  hasShape,
  isFresh,
}: Noted): string[] {
  const { inference, earlyStopping, fineTuning } = configuration;
  const { nearDuplicates = null } = generationIn(configuration)?.instructions.filters ?? {};
  const { requestsPerShard, shardsAtOnce } = inference;
  const working = stages.filter(({ whole }) => whole.requests + whole.trainingTokens > 0);
  const without = [...new Set(working.map(({ stage }) => stage))].filter(
    (stage) => rateOf(rates, stage) === undefined,
  );
  const probedOf = Object.values(rates).some(({ from }) => from === 'probe');
  const only = (condition: boolean, note: string) => (condition ? [note] : []);
  return [
    'Requests that are sent again after a failure, and the single tokens by which an endpoint is checked, are not counted.',
    'A prompt counts once for all samples of a request; an endpoint that does not know "n" is asked once for each sample.',
    ...only(
      source !== undefined && source.rowsRead < source.rows,
      `${source?.rowsRead} of ${source?.rows} rows ${source?.kind === 'pairs' ? 'of the given pairs were read; the share that can be used' : 'of the pool were read; the share that filters leave'} is that of these.`,
    ),
    ...only(nearDuplicates !== null, 'Near duplicates were not looked for: the pool may be smaller.'),
    'Right judgments are spread over examples around their share as a Beta distribution; sides are in balance.',
    ...only(earlyStopping !== null, 'Early stopping may end it before its last iteration.'),
    ...only(
      !isFresh,
      'What is reused is known by its fingerprint; the run looks at its content too. A shard that is half done counts as not done.',
    ),
    ...only(
      hasShape,
      `Memory is that of the longest example (maximumLength) ${fineTuning.adapter.kind === 'lora' ? 'under LoRA' : 'with all weights trained'}, on CUDA, by rules of thumb.`,
    ),
    ...only(
      without.length > 0,
      `No time for ${without.join(', ')}: there is no rate. --rates FILE gives one, --probe measures those of the models; that of fine-tuning is known after a first run in this store.`,
    ),
    ...only(
      working.some(({ stage }) => rateOf(rates, stage) !== undefined),
      'Time is that of the work alone: without loading models, waiting and pauses.',
    ),
    ...only(
      probedOf,
      `Rates were measured with ${probed?.atOnce} requests in flight; the run has up to ${requestsPerShard * shardsAtOnce}, and may be faster.`,
    ),
  ];
}
