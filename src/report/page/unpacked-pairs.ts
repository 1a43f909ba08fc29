/// <reference lib="dom" />
import type { ReportPair } from '../report-data.ts';

/**
 * Reads what judgmentData has written, in small steps between which the page stays responsive: the whole is up to 36 MB
 * of text.
 * @param packed base64 of deflated lines of JSON
 */
export async function* unpackedPairs(packed: string): AsyncGenerator<ReportPair[]> {
  /** Characters of base64 that are decoded at once; a multiple of 4. */
  const step = 65_536;
  /** Milliseconds of work after which the page gets its turn. */
  const turn = 12;
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
  let began = performance.now();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    yield lines.map((line) => JSON.parse(line) as ReportPair);
    if (performance.now() - began < turn) continue;
    await new Promise((resolve) => setTimeout(resolve));
    began = performance.now();
  }
}
