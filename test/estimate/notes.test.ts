import assert from 'node:assert/strict';
import type { ConfigurationInput } from '../../src/config/run-configuration.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { estimateNotes } from '../../src/estimate/notes.ts';
import { tinyConfiguration } from '../support/tiny-run.ts';

describe('the notes of an estimate', () => {
  function notesFor(fineTuning: ConfigurationInput['fineTuning']): string {
    const { configuration, problems } = parseConfiguration(
      tinyConfiguration('notes', 'http://127.0.0.1:9/v1', { ...(fineTuning && { fineTuning }) }),
    );
    assert(configuration !== undefined, JSON.stringify(problems));
    return estimateNotes(configuration, undefined, { rates: {}, stages: [] }, false).join('\n');
  }
  const dropout = (share: number) => ({ kind: 'lora' as const, dropout: share });

  it('say that GRPO turns the dropout of an adapter off, and that its judgments take most of its time', () => {
    const grpo = { rounds: [{ method: 'grpo' as const }] };
    assert.match(notesFor({ ...grpo, adapter: dropout(0.1) }), /by grpo turn the adapter's dropout off/);
    assert.match(notesFor(grpo), /by grpo sample judgments, which takes most of their time/);
    assert.doesNotMatch(notesFor({ ...grpo, adapter: dropout(0) }), /dropout/);
    assert.doesNotMatch(notesFor({ adapter: dropout(0.1) }), /dropout|sample judgments/);
  });

  it('say what vLLM in the trainer takes', () => {
    const rounds = (hyperparameters: { rollouts: 'generate' | 'vllm'; vllmMemory?: number }) => ({
      rounds: [{ method: 'grpo' as const, hyperparameters }],
    });
    assert.match(
      notesFor(rounds({ rollouts: 'vllm', vllmMemory: 0.4 })),
      /vLLM in the trainer takes 40\.0% of the memory of each GPU/,
    );
    assert.doesNotMatch(notesFor(rounds({ rollouts: 'generate' })), /vLLM/);
  });
});
