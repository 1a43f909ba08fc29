import Table from 'cli-table3';
import { formatDuration } from '../../platform/format-duration.ts';
import type { RunEstimate, EstimatedUsage } from '../../api/estimate.ts';
import { formatUsd } from '../../platform/format-usd.ts';
import { safeLines } from '../../platform/shown-text.ts';

/** The estimate as text; fits into 80 columns unless names are long. */
export function planText(plan: RunEstimate): string {
  const parts = [
    plan.stages.length === 0 ? 'Nothing can be counted yet: see what is missing.' : stageTable(plan),
    countsLine(plan),
    section('Training', memoryLines(plan)),
    section('Disk', diskLines(plan)),
    section('Missing', plan.missing.map(problemLine)),
    section('Workers', plan.workers.map(problemLine)),
    section('Not counted', plan.uncounted.map(bullet)),
    section('Assumed', [
      ...assumptionLines(plan),
      ...tokenizerLines(plan),
      ...rateLines(plan),
      ...plan.notes.map(bullet),
    ]),
  ];
  return safeLines(parts.filter((part) => part !== '').join('\n\n'));
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [`${title}:`, ...lines].join('\n');
}

function bullet(text: string): string {
  return `  - ${text}`;
}

/** The remaining work of each stage, and the share that is done already. */
function stageTable({ stages, remaining, whole }: RunEstimate): string {
  const hasTime = stages.some((stage) => stage.whole.seconds !== undefined);
  const hasCost = stages.some((stage) => stage.whole.usd !== undefined);
  const hasReuse = stages.some(({ reused }) => reused > 0);
  const head = [
    'stage',
    'requests',
    'tokens\nin',
    'tokens\nout',
    'tokens\ntrained',
    ...(hasTime ? ['time'] : []),
    ...(hasCost ? ['cost'] : []),
    ...(hasReuse ? ['done\nalready'] : []),
  ];
  const table = new Table({
    head,
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [] },
    // No lines between the rows.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  const row = (name: string, usage: EstimatedUsage, reused: number) => [
    name,
    nonZeroText(usage.requests),
    nonZeroText(usage.promptTokens),
    nonZeroText(usage.completionTokens),
    nonZeroText(usage.trainingTokens),
    ...(hasTime
      ? [usage.seconds === undefined ? '?' : usage.seconds === 0 ? '' : formatDuration(usage.seconds)]
      : []),
    ...(hasCost ? [usage.usd === undefined || usage.usd === 0 ? '' : formatUsd(usage.usd)] : []),
    ...(hasReuse ? [reused === 0 ? '' : `${Math.round(100 * reused)}%`] : []),
  ];
  for (const { stage, iteration, benchmark, training, remaining: rest, reused } of stages) {
    const { steps: count, sampledJudgments: sampled } = training ?? {};
    const steps =
      (count === undefined ? '' : `, ${compactNumber(count)} steps`) +
      (sampled === undefined ? '' : `, ${compactNumber(sampled)} judgments`);
    const on = benchmark === undefined ? '' : ` on ${benchmark}`;
    table.push(row(`${iteration} ${stage}${on}${steps}`, rest, reused));
  }
  table.push(row('total remaining', remaining, 0));
  const total = hasReuse
    ? `\nThe whole run: ${compactNumber(whole.requests)} requests, ${tokensOf(whole)} tokens.`
    : '';
  return `${table.toString()}${total}`;
}

function nonZeroText(value: number): string {
  return value === 0 ? '' : compactNumber(value);
}

function tokensOf({ promptTokens, completionTokens }: EstimatedUsage): string {
  return `${compactNumber(promptTokens)} + ${compactNumber(completionTokens)}`;
}

function countsLine({ counts }: RunEstimate): string {
  if (counts === undefined) return '';
  const { rows, instructions, selected, pairs, humanPairs, taskRecords = 0 } = counts;
  const parts = [
    ...(rows === undefined ? [] : [`${compactNumber(rows)} rows`]),
    ...(instructions === undefined ? [] : [`${compactNumber(instructions)} instructions`]),
    ...(selected === undefined ? [] : [`${compactNumber(selected)} selected`]),
    `${compactNumber(pairs)} pairs`,
    ...(humanPairs > 0 ? [`${compactNumber(humanPairs)} human pairs`] : []),
    ...(taskRecords > 0 ? [`${compactNumber(taskRecords)} records of other tasks`] : []),
  ];
  return `The ${instructions === undefined ? 'pairs' : 'pool'}: ${parts.join(', ')}.`;
}

function memoryLines({ memory, model, trainer }: RunEstimate): string[] {
  const place = trainer === undefined ? [] : [bullet(`trains on ${trainer}`)];
  if (model === undefined)
    return [
      ...place,
      bullet('the seed model is not on this machine, and its name does not contain its size'),
    ];
  const from = { weights: 'its weights', configuration: 'its config.json', name: 'its name alone' }[
    model.from
  ];
  return [
    ...place,
    bullet(`${compactNumber(model.parameters)} parameters, by ${from}`),
    ...memory.flatMap(({ method, devices, sharded, bytesPerGpu, parts }) => [
      bullet(
        `${method}: ${bytesText(bytesPerGpu)} on ${devices === 1 ? 'one GPU' : `each of ${devices} GPUs, ${sharded ? 'with the model sharded by FSDP' : 'each with the whole model'}`}`,
      ),
      ...parts.map(({ what, bytes }) => `      ${bytesText(bytes).padStart(8)}  ${what}`),
    ]),
  ];
}

function diskLines({ disk, store }: RunEstimate): string[] {
  if (disk === undefined) return [];
  const { artifactsBytes, modelsBytes, checkpointsBytes, neededBytes, freeBytes } = disk;
  const free = freeBytes === undefined ? '' : `, ${bytesText(freeBytes)} are free in ${store}`;
  return [
    bullet(`at most ${bytesText(neededBytes)}${free}`),
    ...[
      [artifactsBytes, 'texts: instructions, pairs, judgments, training sets'] as const,
      [modelsBytes, 'the judges, one for each iteration'] as const,
      [checkpointsBytes, 'checkpoints, during a training'] as const,
    ].map(([bytes, what]) => `      ${bytesText(bytes).padStart(8)}  ${what}`),
  ];
}

function problemLine({ path, message }: RunEstimate['missing'][number]): string {
  return bullet(`${path}: ${message}`);
}

const ORIGINS = {
  default: '',
  option: ' (by option)',
  probe: ' (measured now)',
  'earlier-run': ' (from an earlier run)',
} as const;

function assumptionLines({ assumptions }: RunEstimate): string[] {
  return assumptions.map(({ name, value, from, means }) => {
    const number = Number.isInteger(value) ? String(value) : value.toFixed(2);
    return bullet(`${name} ${number}: ${means}${ORIGINS[from]}`);
  });
}

function tokenizerLines({ tokenizers }: RunEstimate): string[] {
  return tokenizers.map(({ checkpoint, by }) =>
    bullet(
      by.kind === 'tokenizer'
        ? `Prompts of ${checkpoint} are counted by its own tokenizer and chat template.`
        : `Prompts of ${checkpoint} are estimated at ${by.charactersPerToken} characters per token and ${by.tokensPerMessage} tokens per message: ${by.because}.`,
    ),
  );
}

function rateLines({ rates, earlierRun }: RunEstimate): string[] {
  return Object.entries(rates).map(([stage, { tokensPerSecond, from }]) => {
    const origin = from === 'earlier-run' ? ` (from the run ${earlierRun ?? ''})` : ORIGINS[from];
    return bullet(`${stage}: ${compactNumber(tokensPerSecond)} tokens a second${origin}`);
  });
}

const COMPACT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 });

/** 1,234 in full; larger numbers as 12.3K, 4.5M, 6.7B. */
function compactNumber(value: number): string {
  return value < 10_000 ? Math.round(value).toLocaleString('en-US') : COMPACT.format(value);
}

function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const unit = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** unit).toPrecision(3)} ${units[unit]}`;
}
