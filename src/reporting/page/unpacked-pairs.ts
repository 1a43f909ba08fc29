/// <reference lib="dom" />
import type { ReportPair } from '../report-data.ts';

/**
 * Reads the data that judgmentData writes. Works in small steps, so that the page stays responsive: the data is up to
 * 36 MB of text.
 * @param packed lines of JSON, deflated and encoded as base64
 */
export async function* unpackedPairs(packed: string): AsyncGenerator<ReportPair[]> {
  /** Number of base64 characters to decode in one step; a multiple of 4. */
  const step = 65_536;
  /** Milliseconds of work before the page can react to events. */
  const maxWork = 12;
  let at = 0;
  const bytes = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (at >= packed.length) return controller.close();
      const binary = atob(packed.slice(at, at + step));
      at += step;
      controller.enqueue(Uint8Array.from(binary, (char) => char.charCodeAt(0)));
    },
  });
  const reader = bytes
    .pipeThrough(new DecompressionStream('deflate'))
    .pipeThrough(new TextDecoderStream())
    .getReader();
  let rest = '';
  let startedAt = performance.now();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    yield lines.map((line) => JSON.parse(line) as ReportPair);
    if (performance.now() - startedAt < maxWork) continue;
    await new Promise((resolve) => setTimeout(resolve));
    startedAt = performance.now();
  }
}
