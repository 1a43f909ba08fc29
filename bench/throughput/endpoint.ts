/**
 * A process with an OpenAI-compatible endpoint that answers every request after 50 ms with the same judgment. It reads no more of
 * HTTP than it needs, so that it is no bottleneck. Tells its parent about each measurement: `started` at the first request,
 * and an {@link EndpointReport} after the last answer.
 */
import { createServer, type Socket } from 'node:net';

/** What the endpoint saw of one measurement. Times are in milliseconds since the epoch. */
export interface EndpointReport {
  readonly firstRequestAt: number;
  readonly lastAnswerAt: number;
  /** The requests in flight between the first request and the last answer. */
  readonly meanInFlight: number;
  readonly mostInFlight: number;
}

export const ANSWER_DELAY_MS = 50;

/** Checks of the endpoint send shorter requests than the judge does, and are not measured. */
const MIN_MEASURED_BYTES = 600;

const SENTENCE = 'The first assistant names the cause, shows each step, and checks its result. ';
const ANSWER = httpAnswer(200, {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'judge',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: `${SENTENCE.repeat(13)}[[A]]` },
      finish_reason: 'stop',
    },
  ],
  usage: { prompt_tokens: 620, completion_tokens: 210, total_tokens: 830 },
});
const NOT_FOUND = httpAnswer(404, { error: { message: 'no such path' } });

let remaining = 0;
let firstRequestAt = 0;
let inFlight = 0;
let mostInFlight = 0;
let changedAt = 0;
let requestMilliseconds = 0;

process.on('message', (requests: number) => {
  remaining = requests;
  [firstRequestAt, inFlight, mostInFlight, requestMilliseconds] = [0, 0, 0, 0];
});
process.on('disconnect', () => process.exit());

const server = createServer({ noDelay: true }, (socket) => serve(socket));
server.listen(0, '127.0.0.1', 2048, () => {
  const address = server.address();
  if (typeof address === 'object') process.send?.(`http://127.0.0.1:${address?.port}/v1`);
});

function serve(socket: Socket): void {
  let received = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => {
    received = received.length === 0 ? data : Buffer.concat([received, data]);
    const headEnd = received.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const head = received.toString('latin1', 0, headEnd);
    const bodyBytes = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (received.length < headEnd + 4 + bodyBytes) return;
    received = Buffer.alloc(0);
    if (!head.startsWith('POST')) socket.write(NOT_FOUND);
    else if (bodyBytes < MIN_MEASURED_BYTES) socket.write(ANSWER);
    else answerMeasured(socket);
  });
}

function answerMeasured(socket: Socket): void {
  changeInFlight(1);
  if (firstRequestAt === 0) {
    firstRequestAt = changedAt;
    process.send?.('started');
  }
  setTimeout(() => {
    socket.write(ANSWER);
    changeInFlight(-1);
    remaining -= 1;
    if (remaining > 0) return;
    const report: EndpointReport = {
      firstRequestAt,
      lastAnswerAt: changedAt,
      meanInFlight: requestMilliseconds / (changedAt - firstRequestAt),
      mostInFlight,
    };
    process.send?.(report);
  }, ANSWER_DELAY_MS);
}

function changeInFlight(change: 1 | -1): void {
  const now = performance.timeOrigin + performance.now();
  if (firstRequestAt > 0) requestMilliseconds += inFlight * (now - changedAt);
  changedAt = now;
  inFlight += change;
  mostInFlight = Math.max(mostInFlight, inFlight);
}

function httpAnswer(status: number, document: object): Buffer {
  const body = JSON.stringify(document);
  return Buffer.from(
    `HTTP/1.1 ${status} -\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
