import { spawn } from 'node:child_process';
import { text as textOf } from 'node:stream/consumers';
import { z } from 'zod';
import type { RunEstimate } from '../api/estimate.ts';
import type { ChatMessage } from '../method/prompt-template.ts';
import type { Conversation } from './prompts.ts';
import { trainerEnvironment } from '../models/training/launchers/trainer-command.ts';

/** How the tokens of prompts were counted. */
type TokenCounting = RunEstimate['tokenizers'][number]['by'];

/** Rules of thumb for English text, and for the tokens that a chat template adds to each message. */
const RULE = { kind: 'rule', charactersPerToken: 4, tokensPerMessage: 5 } as const;

interface CountOptions {
  /** The folder of the checkpoint; undefined if it isn't on this machine. */
  readonly folder: string | undefined;
  readonly trustRemoteCode: boolean;
  /** The interpreter with the trainer's packages; undefined if it isn't installed. */
  readonly python: string | undefined;
  readonly packageRoot: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Counts the tokens of each conversation by the checkpoint's own tokenizer and chat template if checkpoint and Python are
 * on this machine, or else estimates them by the number of characters.
 */
export async function countTokens(
  conversations: readonly Conversation[],
  options: CountOptions,
): Promise<{ readonly counts: readonly number[]; readonly by: TokenCounting }> {
  const { folder, python } = options;
  if (folder === undefined) return countByRule(conversations, 'the checkpoint is not on this machine');
  if (python === undefined) return countByRule(conversations, 'the Python environment is not installed');
  try {
    const counts = await countWith(python, folder, conversations, options);
    return { counts, by: { kind: 'tokenizer', folder } };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return countByRule(conversations, `its tokenizer can't be used: ${reason}`);
  }
}

function countByRule(conversations: readonly Conversation[], because: string) {
  const tokensOf = (tokens: number, { content }: ChatMessage) =>
    tokens + RULE.tokensPerMessage + Math.ceil(content.length / RULE.charactersPerToken);
  const counts = conversations.map((messages) => messages.reduce(tokensOf, 0));
  return { counts, by: { ...RULE, because } };
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
      ...trainerEnvironment({ packageRoot, environment }),
      HF_HUB_OFFLINE: '1',
      TOKENIZERS_PARALLELISM: 'false',
    },
  });
  // A child that exits early breaks the pipe; its exit code and standard error explain more than that error.
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
