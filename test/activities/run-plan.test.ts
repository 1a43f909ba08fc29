import assert from 'node:assert/strict';
import { toRunPlan } from '../../src/activities/plan-run.ts';
import type { RunPlan } from '../../src/api/activity-types.ts';
import type { ConfigurationInput } from '../../src/client/index.ts';
import { parseConfiguration } from '../../src/config/parse-configuration.ts';
import { scriptedConfiguration } from '../support/scripted-run.ts';

describe('the plan of a run', () => {
  const command = (gpus: number | null, stopWhileTraining: boolean | null = null) => ({
    ...{ kind: 'command' as const, command: ['serve', '{checkpoint}', '{port}'] },
    ...{ gpus, stopWhileTraining },
  });

  function planOf(changes: Partial<ConfigurationInput>): RunPlan {
    const input = scriptedConfiguration('http://127.0.0.1:1/v1', 'run', changes);
    const { configuration, problems } = parseConfiguration(input);
    assert(configuration !== undefined, JSON.stringify(problems));
    return toRunPlan(
      configuration,
      { runName: 'run', configuration: { uri: '', sha256: '', records: 1, bytes: 1 } },
      [],
    );
  }

  /** Whether the servers stop while the run trains, and the GPUs with which they need not. */
  const stopping = (changes: Partial<ConfigurationInput>) => {
    const { stopServersWhileTraining, gpusWhileTraining } = planOf(changes);
    return [stopServersWhileTraining, gpusWhileTraining];
  };
  const fineTuning = (gpus: number) => ({ fineTuning: { gpus } });
  const slurm = { fineTuning: { launcher: { kind: 'slurm' as const } } };

  it('says with how many GPUs of a machine the servers may stay up while the run trains', () => {
    assert.deepEqual(stopping({}), ['never', 0]);
    assert.deepEqual(stopping({ serving: command(4), ...fineTuning(4) }), ['ifTooFewGpus', 8]);
    assert.deepEqual(stopping({ serving: command(null), ...fineTuning(4) }), ['ifTooFewGpus', null]);
    assert.deepEqual(stopping({ serving: command(4) }), ['ifTooFewGpus', null]);
    assert.deepEqual(stopping({ serving: command(null), ...slurm }), ['ifTooFewGpus', 0]);
    assert.deepEqual(stopping({ serving: command(4, true), ...fineTuning(4) }), ['always', 8]);
    assert.deepEqual(stopping({ serving: command(null, false) }), ['never', null]);
    const models = {
      seed: { checkpoint: 'embedded/model' },
      firstJudge: { checkpoint: 'b', serving: command(2) },
    };
    assert.deepEqual(stopping({ models, serving: command(4), ...fineTuning(2) }), ['ifTooFewGpus', 8]);
    const generator = { checkpoint: 'b', serving: command(2, true) };
    assert.deepEqual(stopping({ models: { ...models, generator } }), ['ifTooFewGpus', null]);
  });

  it('overlaps stages only if requests cost nothing', () => {
    assert.equal(planOf({}).overlaps, true);
    assert.equal(planOf({ budget: {} }).overlaps, true);
    assert.equal(planOf({ budget: { gpuHours: 1 } }).overlaps, false);
    assert.equal(planOf({ prices: { gpuHour: 2 } }).overlaps, false);
  });
});
