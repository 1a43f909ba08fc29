import Table from 'cli-table3';
import { duration } from '../../src/format/duration.ts';
import type { Plan, PlannedUsage } from '../../src/plan/plan-schema.ts';
import { dollars } from '../../src/report/format.ts';
import { plainText } from '../follow/plain-text.ts';

/** A plan for people; fits into 80 columns where its texts are short. */
export function planText(plan: Plan): string {
  const parts = [
    plan.stages.length === 0 ? 'Nothing can be counted yet: see what is missing.' : stageTable(plan),
    countsLine(plan),
    section('Memory for training', memoryLines(plan)),
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
  return withoutControls(parts.filter((part) => part !== '').join('\n\n'));
}

/** Whatever stands in a configuration or an error, no line of it drives the terminal. */
function withoutControls(text: string): string {
  return text.split('\n').map(plainText).join('\n');
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [`${title}:`, ...lines].join('\n');
}

function bullet(text: string): string {
  return `  - ${text}`;
}

/** What is still to do, by stage; what is done already is said beside it. */
function stageTable({ stages, remaining, whole }: Plan): string {
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
    // Without a line between two rows.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  const row = (name: string, usage: PlannedUsage, reused: number) => [
    name,
    some(usage.requests),
    some(usage.promptTokens),
    some(usage.completionTokens),
    some(usage.trainingTokens),
    ...(hasTime
      ? [usage.seconds === undefined ? '?' : usage.seconds === 0 ? '' : duration(usage.seconds)]
      : []),
    ...(hasCost ? [usage.usd === undefined || usage.usd === 0 ? '' : dollars(usage.usd)] : []),
    ...(hasReuse ? [reused === 0 ? '' : `${Math.round(100 * reused)}%`] : []),
  ];
  for (const { stage, iteration, benchmark, training, remaining: left, reused } of stages) {
    const steps = training === undefined ? '' : `, ${short(training.steps)} steps`;
    const on = benchmark === undefined ? '' : ` on ${benchmark}`;
    table.push(row(`${iteration} ${stage}${on}${steps}`, left, reused));
  }
  table.push(row('all that is left', remaining, 0));
  const all = hasReuse
    ? `\nFrom its beginning: ${short(whole.requests)} requests, ${tokensOf(whole)} tokens.`
    : '';
  return `${table.toString()}${all}`;
}

function some(value: number): string {
  return value === 0 ? '' : short(value);
}

function tokensOf({ promptTokens, completionTokens }: PlannedUsage): string {
  return `${short(promptTokens)} + ${short(completionTokens)}`;
}

function countsLine({ counts }: Plan): string {
  if (counts === undefined) return '';
  const { rows, instructions, selected, pairs, humanPairs } = counts;
  const parts = [
    ...(rows === undefined ? [] : [`${short(rows)} rows`]),
    ...(instructions === undefined ? [] : [`${short(instructions)} instructions`]),
    ...(selected === undefined ? [] : [`${short(selected)} selected`]),
    `${short(pairs)} pairs`,
    ...(humanPairs > 0 ? [`${short(humanPairs)} human pairs`] : []),
  ];
  return `The ${instructions === undefined ? 'given pairs' : 'pool'}: ${parts.join(', ')}.`;
}

function memoryLines({ memory, model }: Plan): string[] {
  if (model === undefined)
    return [bullet('the seed model is not on this machine, and its name tells no size')];
  const from = { weights: 'its weights', configuration: 'its config.json', name: 'its name alone' }[
    model.from
  ];
  return [
    bullet(`${short(model.parameters)} parameters, by ${from}`),
    ...memory.flatMap(({ method, devices, sharded, bytesPerGpu, parts }) => [
      bullet(
        `${method}: ${size(bytesPerGpu)} on ${devices === 1 ? 'one GPU' : `each of ${devices} GPUs, ${sharded ? 'over which FSDP cuts the model' : 'each with the whole model'}`}`,
      ),
      ...parts.map(({ what, bytes }) => `      ${size(bytes).padStart(8)}  ${what}`),
    ]),
  ];
}

function diskLines({ disk, store }: Plan): string[] {
  if (disk === undefined) return [];
  const { artifactsBytes, modelsBytes, checkpointsBytes, neededBytes, freeBytes } = disk;
  const free = freeBytes === undefined ? '' : `, ${size(freeBytes)} are free in ${store}`;
  return [
    bullet(`${size(neededBytes)} at the most${free}`),
    ...[
      [artifactsBytes, 'texts: instructions, pairs, judgments, training sets'] as const,
      [modelsBytes, 'the judges, one an iteration'] as const,
      [checkpointsBytes, 'checkpoints, while it trains'] as const,
    ].map(([bytes, what]) => `      ${size(bytes).padStart(8)}  ${what}`),
  ];
}

function problemLine({ path, message }: Plan['missing'][number]): string {
  return bullet(`${path}: ${message}`);
}

const ORIGINS = {
  rule: '',
  given: ' (given)',
  probe: ' (measured now)',
  artifacts: ' (of an earlier run)',
} as const;

function assumptionLines({ assumptions }: Plan): string[] {
  return assumptions.map(({ name, value, from, means }) => {
    const number = Number.isInteger(value) ? String(value) : value.toFixed(2);
    return bullet(`${name} ${number}: ${means}${ORIGINS[from]}`);
  });
}

function tokenizerLines({ tokenizers }: Plan): string[] {
  return tokenizers.map(({ checkpoint, by }) =>
    bullet(
      by.kind === 'tokenizer'
        ? `Prompts of ${checkpoint} are counted by its own tokenizer and chat template.`
        : `Prompts of ${checkpoint} are counted at ${by.charactersPerToken} characters a token and ${by.tokensPerMessage} tokens a message: ${by.because}.`,
    ),
  );
}

function rateLines({ rates, earlierRun }: Plan): string[] {
  return Object.entries(rates).map(([stage, { tokensPerSecond, from }]) => {
    const origin = from === 'artifacts' ? ` (of the run ${earlierRun ?? ''})` : ORIGINS[from];
    return bullet(`${stage}: ${short(tokensPerSecond)} tokens a second${origin}`);
  });
}

const COMPACT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 });

/** 1,234 in full; larger numbers as 12.3K, 4.5M, 6.7B. */
function short(value: number): string {
  return value < 10_000 ? Math.round(value).toLocaleString('en-US') : COMPACT.format(value);
}

function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const unit = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** unit).toPrecision(3)} ${units[unit]}`;
}
