import { z } from 'zod';
import { canonicalJson } from '../platform/canonical-json.ts';
import { stableHash } from '../platform/stable-hash.ts';

/** The file of an imported prompt folder that says where its text comes from. */
export const PROMPT_SOURCE_FILE = 'source.json';

/** The origin of an imported prompt. */
export const importedFromSchema = z.strictObject({
  repository: z.string().min(1),
  /** The commit that was checked out; absent if the folder was no clone. */
  commit: z.string().exactOptional(),
  files: z.array(z.strictObject({ path: z.string().min(1), sha256: z.string().length(64) })).min(1),
  /** The hash of the prompt's text as it was imported. */
  text: z.string().min(1),
});

export type ImportedFrom = z.infer<typeof importedFromSchema>;

/** The origin of a benchmark's prompt: this package, an official repository, or the user. */
export const promptSourceSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('package'), folder: z.string() }),
  z.strictObject({ kind: z.literal('imported'), from: importedFromSchema, isChanged: z.boolean() }),
  z.strictObject({ kind: z.literal('own') }),
]);

export type PromptSource = z.infer<typeof promptSourceSchema>;

/** The hash of a prompt's text, however its fields are ordered. */
export function promptTextHash(template: object): string {
  return stableHash(canonicalJson(template));
}

/**
 * Describes where a prompt comes from, for reports: "this package's prompts/llmbar (text 1a2b3c4d)", or "imported from
 * allenai/reward-bench at 05a9005efb60 (rewardbench/generative.py, SHA-256 0123456789ab; text 1a2b3c4d)".
 *
 * @param textHash the hash of the prompt's text
 */
export function describePromptSource(source: PromptSource, textHash: string): string {
  const text = `text ${textHash.slice(0, 8)}`;
  switch (source.kind) {
    case 'package':
      return `this package's ${source.folder} (${text})`;
    case 'own':
      return `a prompt of your own (${text})`;
    case 'imported': {
      const { repository, commit, files } = source.from;
      const hashes = files.map(({ path, sha256 }) => `${path}, SHA-256 ${sha256.slice(0, 12)}`).join('; ');
      const at = commit === undefined ? '' : ` at ${commit.slice(0, 12)}`;
      const changed = source.isChanged ? ', and changed since' : '';
      return `imported from ${repository}${at} (${hashes}; ${text})${changed}`;
    }
  }
}
