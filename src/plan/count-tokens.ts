import { spawn } from 'node:child_process';
import { text as textOf } from 'node:stream/consumers';
import { z } from 'zod';
import type { Message } from '../judge/prompt-template.ts';
import { trainerEnvironment } from '../training/trainer-command.ts';

/** How the tokens of prompts were counted. */
export type TokenCounting =
  | { readonly kind: 'tokenizer'; readonly folder: string }
  | {
      readonly kind: 'rule';
      readonly charactersPerToken: number;
      readonly tokensPerMessage: number;
      /** Why the tokenizer didn't count. */
      readonly because: string;
    };

/** English text in the tokenizers of today's models, and what a chat template adds to a message. */
const CHARACTERS_PER_TOKEN = 4;
const TOKENS_PER_MESSAGE = 5;

export interface CountOptions {
  /** The folder of the checkpoint on this machine; undefined where there is none. */
  readonly folder: string | undefined;
  readonly trustRemoteCode: boolean;
  /** The interpreter that has the trainer's packages; undefined where it isn't installed. */
  readonly python: string | undefined;
  readonly packageRoot: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export type Conversation = readonly Message[];

/**
 * The tokens of each conversation as a model is asked it: by the checkpoint's own tokenizer and chat template, as the
 * trainer counts them, where both are on this machine; else by the number of characters.
 */
export async function countTokens(
  conversations: readonly Conversation[],
  options: CountOptions,
): Promise<{ readonly counts: readonly number[]; readonly by: TokenCounting }> {
  const { folder, python } = options;
  if (folder === undefined) return byRule(conversations, 'the checkpoint is not on this machine');
  if (python === undefined) return byRule(conversations, 'the Python environment is not installed');
  try {
    const counts = await countWith(python, folder, conversations, options);
    return { counts, by: { kind: 'tokenizer', folder } };
  } catch (error) {
    return byRule(
      conversations,
      `its tokenizer can't be used: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function byRule(conversations: readonly Conversation[], because: string) {
  const by = {
    kind: 'rule',
    charactersPerToken: CHARACTERS_PER_TOKEN,
    tokensPerMessage: TOKENS_PER_MESSAGE,
    because,
  } as const;
  const tokensOf = ({ content }: Message) =>
    TOKENS_PER_MESSAGE + Math.ceil(content.length / CHARACTERS_PER_TOKEN);
  const counts = conversations.map((messages) =>
    messages.reduce((sum, message) => sum + tokensOf(message), 0),
  );
  return { counts, by };
}

const answerSchema = z.object({ counts: z.array(z.int().nonnegative()) });

async function countWith(
  python: string,
  checkpoint: string,
  conversations: readonly Conversation[],
  { packageRoot, environment, trustRemoteCode }: CountOptions,
): Promise<readonly number[]> {
  const child = spawn(python, ['-m', 'trainer.count_tokens'], {
    cwd: packageRoot,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...trainerEnvironment({ command: [], python, packageRoot, environment }),
      HF_HUB_OFFLINE: '1',
      TOKENIZERS_PARALLELISM: 'false',
    },
  });
  // A child that ends early breaks the pipe; how it ended says more.
  child.stdin.on('error', () => undefined);
  child.stdin.end(JSON.stringify({ checkpoint, trustRemoteCode, conversations }));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  const [code, stdout, stderr] = await Promise.all([ended, textOf(child.stdout), textOf(child.stderr)]);
  const lastLine = (text: string) => text.trimEnd().split('\n').at(-1) ?? '';
  if (code !== 0) throw new Error(lastLine(stderr) || `${python} ended with ${code}`);
  return answerSchema.parse(JSON.parse(lastLine(stdout))).counts;
}
