/** How far a file of pairs is, on standard error: a bar on a terminal, else a line now and then. */
import { styleText } from 'node:util';
import type { WriteStream } from 'node:tty';
import { createLogUpdate } from 'log-update';
import cliTruncate from 'cli-truncate';
import type { FileProgress } from '../../src/judging/judge-pairs-file.ts';
import { canRedraw } from '../follow/display.ts';
import { stageLine } from '../follow/live-lines.ts';
import { SignsOfLife } from '../follow/signs-of-life.ts';
import type { ShownStage } from '../follow/stage-words.ts';

const REDRAW_MILLISECONDS = 250;

export interface FileDisplay {
  show(progress: FileProgress): void;
  close(): void;
}

export function fileDisplay(stream: WriteStream, environment: NodeJS.ProcessEnv): FileDisplay {
  let stage: ShownStage | undefined;
  let first: FileProgress | undefined;
  const startedAt = new Date().toISOString();
  const update = (progress: FileProgress) => {
    first ??= progress;
    stage = shownStage(progress, first.done, startedAt, Date.now());
    return stage;
  };
  if (!canRedraw(stream, environment)) {
    const life = new SignsOfLife();
    const show = (progress: FileProgress) => {
      for (const line of life.of(update(progress), 'judge', Date.now())) stream.write(`${line}\n`);
    };
    return { show, close: () => undefined };
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
    close() {
      clearInterval(timer);
      draw();
      log.done();
    },
  };
}

/** @param before pairs that an earlier attempt has judged: they say nothing about the pace */
function shownStage(
  { done, of, judgments, completionTokens }: FileProgress,
  before: number,
  startedAt: string,
  now: number,
): ShownStage {
  const seconds = (now - Date.parse(startedAt)) / 1000;
  const secondsLeft = done > before ? (seconds * (of - done)) / (done - before) : undefined;
  return {
    name: 'judge',
    done,
    of,
    unit: 'pairs',
    startedAt,
    counts: { judgments, completionTokens },
    ...(secondsLeft === undefined ? {} : { secondsLeft }),
  };
}
