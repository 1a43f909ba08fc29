/** Displays of a run's progress: on a terminal, in a log, or for another program. */
import { styleText } from 'node:util';
import type { WriteStream } from 'node:tty';
import { createLogUpdate } from 'log-update';
import type { RunProgress } from '../../client/index.ts';
import { liveLines } from './live-lines.ts';
import { ProgressLog } from './progress-log.ts';
import { PeriodicProgress } from './periodic-progress.ts';
import { printError, printJson, shownText, writeLine } from '../core/output.ts';

export interface Display {
  show(progress: RunProgress): void;
  /** Prints a message that is not part of the run's progress. */
  log(line: string): void;
  /** Removes the live lines. */
  close(): void;
}

/** Live lines are redrawn more often than progress is polled, because elapsed times change. */
const REDRAW_MILLISECONDS = 250;

/** On a terminal narrower than this, permanent lines are not aligned in columns. */
const ALIGNMENT_COLUMNS = 80;

/** A display with bars if the stream is a terminal that can redraw lines, else plain lines without escape codes. */
export function displayFor(stream: WriteStream, environment: NodeJS.ProcessEnv): Display {
  return canRedraw(stream, environment) ? terminalDisplay(stream) : lineDisplay(stream);
}

/** Returns whether lines can be redrawn; a terminal of unknown width can't. */
export function canRedraw(stream: WriteStream, environment: NodeJS.ProcessEnv): boolean {
  return stream.isTTY && stream.columns > 0 && environment['TERM'] !== 'dumb' && !environment['CI'];
}

function terminalDisplay(stream: WriteStream): Display {
  const update = createLogUpdate(stream);
  const progressLog = new ProgressLog();
  let latest: RunProgress | undefined;
  const draw = () => {
    if (latest === undefined) return;
    const { columns } = stream;
    // styleText checks the stream, NO_COLOR and FORCE_COLOR for whether to use colours.
    const paint = (color: 'cyan' | 'dim' | 'bold', text: string) => styleText(color, text, { stream });
    update(liveLines(latest, { now: Date.now(), columns, paint }).join('\n'));
  };
  const timer = setInterval(draw, REDRAW_MILLISECONDS);
  return {
    show(progress) {
      latest = progress;
      for (const line of progressLog.newLines(progress, Date.now()).map(shownText))
        update.persist(stream.columns < ALIGNMENT_COLUMNS ? line.replaceAll(/(?<=\S) {3,}/g, '  ') : line);
      draw();
    },
    log(line) {
      update.persist(shownText(line));
      draw();
    },
    close() {
      clearInterval(timer);
      update.clear();
      update.done();
    },
  };
}

function lineDisplay(stream: WriteStream): Display {
  const progressLog = new ProgressLog();
  const periodic = new PeriodicProgress();
  const write = (line: string) => writeLine(stream, line);
  return {
    show(progress) {
      const now = Date.now();
      for (const line of [...progressLog.newLines(progress, now), ...periodic.dueLines(progress, now)])
        write(line);
    },
    log: write,
    close: () => undefined,
  };
}

/** Prints each change as a line of JSON to standard output, and messages to standard error. */
export function jsonDisplay(): Display {
  let last = '';
  return {
    show(progress) {
      // The remaining time alone is no change.
      const compared = JSON.stringify(progress, (field, value: unknown) =>
        field === 'remainingSeconds' ? undefined : value,
      );
      if (compared !== last) printJson(progress);
      last = compared;
    },
    log: (line) => printError(line),
    close: () => undefined,
  };
}
