/** The progress of judging a file: a bar on a terminal, else a line from time to time. */
import { styleText } from 'node:util';
import type { WriteStream } from 'node:tty';
import { createLogUpdate } from 'log-update';
import cliTruncate from 'cli-truncate';
import type { FileJudgingProgress } from '../../pair-judging/run-file-judging.ts';
import { canRedraw } from '../progress/display.ts';
import { stageLine } from '../progress/live-lines.ts';
import { PeriodicProgress } from '../progress/periodic-progress.ts';
import type { DisplayedStage } from '../progress/stage-text.ts';
import { writeLine } from '../core/output.ts';

const REDRAW_MILLISECONDS = 250;

export interface FileProgressDisplay {
  show(progress: FileJudgingProgress): void;
  /** Prints a line above the progress. */
  say(line: string): void;
  close(): void;
}

export function fileProgressDisplay(
  stream: WriteStream,
  environment: NodeJS.ProcessEnv,
  unit: string,
): FileProgressDisplay {
  let stage: DisplayedStage | undefined;
  let first: FileJudgingProgress | undefined;
  const startedAt = new Date().toISOString();
  const update = (progress: FileJudgingProgress) => {
    first ??= progress;
    stage = displayedStage(progress, unit, first.done, startedAt, Date.now());
    return stage;
  };
  if (!canRedraw(stream, environment)) {
    const periodic = new PeriodicProgress();
    const show = (progress: FileJudgingProgress) => {
      for (const line of periodic.dueLinesOfStage(update(progress), 'judge', Date.now()))
        writeLine(stream, line);
    };
    return { show, say: (line) => writeLine(stream, line), close: () => undefined };
  }
  const log = createLogUpdate(stream);
  const draw = () => {
    if (stage === undefined) return;
    const columns = stream.columns - 1;
    const paint = (color: 'cyan' | 'dim' | 'bold', text: string) => styleText(color, text, { stream });
    log(cliTruncate(stageLine(stage, false, { now: Date.now(), columns, paint }), columns));
  };
  const timer = setInterval(draw, REDRAW_MILLISECONDS);
  return {
    show: (progress) => void update(progress),
    say(line) {
      log.clear();
      writeLine(stream, line);
      draw();
    },
    close() {
      clearInterval(timer);
      draw();
      log.done();
    },
  };
}

/**
 * @param unit the name of the rows
 * @param before rows that an earlier attempt has judged, which don't count for the rate
 */
function displayedStage(
  { done, total, judgments, completionTokens }: FileJudgingProgress,
  unit: string,
  before: number,
  startedAt: string,
  now: number,
): DisplayedStage {
  const seconds = (now - Date.parse(startedAt)) / 1000;
  const remainingSeconds = done > before ? (seconds * (total - done)) / (done - before) : undefined;
  return {
    name: 'judge',
    done,
    total,
    unit,
    startedAt,
    counts: { judgments, completionTokens },
    ...(remainingSeconds === undefined ? {} : { remainingSeconds }),
  };
}
