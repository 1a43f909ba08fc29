/** Reads what TensorBoard reads: a folder of event files, each a sequence of records (TFRecord) of protobuf events. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import protobuf from 'protobufjs';

/** The part of TensorFlow's event.proto and summary.proto that the tests look at. */
const SCHEMA = `
  syntax = "proto3";
  message Event { int64 step = 2; Summary summary = 5; SessionLog sessionLog = 7; }
  message Summary { repeated Value value = 1; }
  message Value { string tag = 1; float simpleValue = 2; }
  message SessionLog { int32 status = 1; }
`;

interface Event {
  readonly step: number;
  readonly summary?: { readonly value: readonly { readonly tag: string; readonly simpleValue: number }[] };
  readonly sessionLog?: { readonly status: number };
}

const START = 1;

/** The curve of a tag by step, as TensorBoard shows it: a start hides what was there from its step on. */
export async function readScalarCurve(folder: string, tag: string): Promise<Map<number, number>> {
  const curve = new Map<number, number>();
  for (const event of await eventsIn(folder)) {
    if (event.sessionLog?.status === START) {
      for (const step of curve.keys()) if (step >= event.step) curve.delete(step);
    }
    for (const value of event.summary?.value ?? []) {
      if (value.tag !== tag) continue;
      if (curve.has(event.step))
        throw new Error(`${folder}: step ${event.step} of ${tag} stands there twice`);
      curve.set(event.step, value.simpleValue);
    }
  }
  return curve;
}

async function eventsIn(folder: string): Promise<Event[]> {
  const schema = protobuf.parse(SCHEMA).root.lookupType('Event');
  const names = (await readdir(folder)).filter((name) => name.includes('tfevents')).sort();
  const contents = await Promise.all(names.map((name) => readFile(join(folder, name))));
  return contents
    .flatMap((content) =>
      recordsIn(content).map(
        (record) =>
          schema.toObject(schema.decode(record), { longs: Number, arrays: true, defaults: false }) as Event,
      ),
    )
    .map((event) => ({ ...event, step: event.step ?? 0 }));
}

/** Each record: its length (8 bytes), the length's checksum (4), the record, its checksum (4). A torn last one is passed over. */
function recordsIn(content: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at + 12 <= content.length;) {
    const end = at + 12 + Number(content.readBigUInt64LE(at));
    if (end + 4 > content.length) break;
    records.push(content.subarray(at + 12, end));
    at = end + 4;
  }
  return records;
}
