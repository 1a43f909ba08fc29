/** Where a run's progress is shown: a terminal, a log, or another program. */
import { styleText } from 'node:util';
import type { WriteStream } from 'node:tty';
import { createLogUpdate } from 'log-update';
import type { RunProgress } from '../../src/client.ts';
import { liveLines } from './live-lines.ts';
import { RunNews } from './run-news.ts';
import { SignsOfLife } from './signs-of-life.ts';

export interface Display {
  show(progress: RunProgress): void;
  /** A line about the following itself. */
  say(line: string): void;
  /** Takes off what is shown of the work under way. */
  close(): void;
}

/** Bars move between two looks at a run: time passes. */
const REDRAW_MILLISECONDS = 250;

/** On a terminal narrower than this, lines that stay are not set out in columns. */
const ROOMY_COLUMNS = 80;

/** Standard error: bars where it is a terminal that can redraw lines, else lines alone, without an escape code. */
export function displayFor(stream: WriteStream, environment: NodeJS.ProcessEnv): Display {
  return canRedraw(stream, environment) ? terminalDisplay(stream) : lineDisplay(stream);
}

/** Whether lines can be written over. A terminal that doesn't say how wide it is can't be redrawn. */
export function canRedraw(stream: WriteStream, environment: NodeJS.ProcessEnv): boolean {
  return stream.isTTY && stream.columns > 0 && environment['TERM'] !== 'dumb' && !environment['CI'];
}

function terminalDisplay(stream: WriteStream): Display {
  const update = createLogUpdate(stream);
  const news = new RunNews();
  let latest: RunProgress | undefined;
  const draw = () => {
    if (latest === undefined) return;
    const { columns } = stream;
    // styleText asks the stream and the environment (NO_COLOR, FORCE_COLOR) whether there is colour.
    const paint = (color: 'cyan' | 'dim' | 'bold', text: string) => styleText(color, text, { stream });
    update(liveLines(latest, { now: Date.now(), columns, paint }).join('\n'));
  };
  const timer = setInterval(draw, REDRAW_MILLISECONDS);
  return {
    show(progress) {
      latest = progress;
      for (const line of news.in(progress, Date.now()))
        update.persist(stream.columns < ROOMY_COLUMNS ? line.replaceAll(/(?<=\S) {3,}/g, '  ') : line);
      draw();
    },
    say(line) {
      update.persist(line);
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
  const news = new RunNews();
  const life = new SignsOfLife();
  const write = (line: string) => void stream.write(`${line}\n`);
  return {
    show(progress) {
      const now = Date.now();
      for (const line of [...news.in(progress, now), ...life.in(progress, now)]) write(line);
    },
    say: write,
    close: () => undefined,
  };
}

/** Each change as a line of JSON on standard output; what is said about the following goes to standard error. */
export function jsonDisplay(): Display {
  let last = '';
  return {
    show(progress) {
      // Time passes by itself: that alone is no change.
      const seen = JSON.stringify(progress, (field, value: unknown) =>
        field === 'secondsLeft' ? undefined : value,
      );
      if (seen !== last) console.log(JSON.stringify(progress));
      last = seen;
    },
    say: (line) => console.error(line),
    close: () => undefined,
  };
}
