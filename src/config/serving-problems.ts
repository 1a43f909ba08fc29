import type { Problem } from '../platform/problem.ts';
import { type Serving, servingDriverOf } from '../models/serving/drivers/registry.ts';
import type { PartialConfiguration } from './run-configuration.ts';

/** Reports settings of the serving drivers that contradict each other. */
export function servingProblems({ serving, models }: PartialConfiguration): Problem[] {
  const own = Object.entries(models ?? {}).map(([role, model]) => ({
    path: `models.${role}.serving`,
    settings: model?.serving,
  }));
  return [{ path: 'serving', settings: serving }, ...own].flatMap(({ path, settings }) =>
    settings === undefined ? [] : servingDriverOf(settings).problems(path, settings),
  );
}

/** Reports serving that can't tell the judges of a run apart: they are served like the seed model. */
export function trainedJudgeProblems({ serving, models, fineTuning }: PartialConfiguration): Problem[] {
  // Without the models it isn't known which settings apply to the seed model.
  if (models === undefined) return [];
  const own = models.seed.serving;
  const settings = own ?? serving;
  const path = own === undefined ? 'serving' : 'models.seed.serving';
  if (settings === undefined) return [];
  return servingDriverOf(settings).trainedJudgeProblems(path, settings, fineTuning?.adapter);
}

/** The judge of a configuration without training. */
export interface StandaloneJudge {
  readonly serving?: Serving | undefined;
  readonly model?: unknown;
}

/** Reports a missing checkpoint if a machine of the user must serve the judge. */
export function missingCheckpointProblems({ serving, model }: StandaloneJudge): Problem[] {
  if (serving === undefined || model !== undefined) return [];
  const { needsMachine, noun } = servingDriverOf(serving);
  return needsMachine
    ? [{ path: 'model', message: `missing: ${noun} needs the checkpoint that it serves` }]
    : [];
}

/** Reports a missing judge prompt if neither a checkpoint nor a file contains it. */
export function missingJudgeFileProblems(
  judge: StandaloneJudge & { readonly judgeFile?: unknown },
): Problem[] {
  const { serving, model, judgeFile } = judge;
  if (serving === undefined || model !== undefined || judgeFile !== undefined) return [];
  const { needsMachine, noun } = servingDriverOf(serving);
  if (needsMachine) return [];
  const message = `missing: ${noun} does not say which prompt its judge needs; name the judge.json of the checkpoint`;
  return [{ path: 'judgeFile', message }];
}
