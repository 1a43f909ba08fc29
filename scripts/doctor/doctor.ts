import { join } from 'node:path';
import { checkTrainer } from '../../src/training/check-trainer.ts';
import type { Ending } from '../cli/exit-codes.ts';
import { portsFrom } from '../setup/dev-server.ts';
import { examineConfiguration } from './configuration.ts';
import { type Examination, type Finding, lineOf, missing, note, ok } from './finding.ts';
import { hubFinding } from './hub.ts';
import {
  cacheFinding,
  gpuFinding,
  nodeFinding,
  portFindings,
  pythonFound,
  type PythonFound,
  storeFinding,
  temporalCliFinding,
} from './machine.ts';
import { shownExaminations } from './shown.ts';
import { examineTemporal } from './temporal.ts';

const root = join(import.meta.dirname, '..', '..');

export interface DoctorRequest {
  /** The file of a run, or of an evaluation, that is to be started. */
  readonly configuration: string | undefined;
  readonly taskQueue: string;
  readonly storeRoot: string;
}

/**
 * Says what is installed, reachable and missing for a run, and how to mend it. Changes nothing and installs nothing.
 * @returns `failed` where something is missing that a run needs
 */
export async function doctor(request: DoctorRequest, json: boolean): Promise<Ending> {
  const examinations = await examine(request);
  const lacking = examinations.flatMap(({ findings }) =>
    findings.filter(({ status }) => status === 'missing'),
  );
  if (json) {
    const findings = examinations.flatMap(({ subject, findings: own }) =>
      own.map((finding) => ({ subject, ...finding })),
    );
    console.log(JSON.stringify({ ok: lacking.length === 0, findings }));
  } else {
    console.log(shownExaminations(examinations));
    const count = lacking.length === 1 ? 'One thing is' : `${lacking.length} things are`;
    console.log(
      lacking.length === 0
        ? '\nNothing is missing.'
        : `\n${count} missing: ${lacking.map(({ what }) => what).join(', ')}.`,
    );
  }
  return lacking.length === 0 ? 'done' : 'failed';
}

async function examine({ configuration, taskQueue, storeRoot }: DoctorRequest): Promise<Examination[]> {
  const [temporal, gpu, hub] = await Promise.all([
    examineTemporal(taskQueue),
    gpuFinding(),
    hubFinding(process.env),
  ]);
  const isTrainedElsewhere = temporal.roles.includes('gpu');
  const python = await pythonFound(!isTrainedElsewhere);
  const [cli, cache, store, ports, trainer, asConfigured] = await Promise.all([
    temporalCliFinding(temporal.isToBeStartedHere),
    cacheFinding(python.isThere || isTrainedElsewhere),
    storeFinding(storeRoot),
    temporal.isToBeStartedHere ? portFindings(portsFrom(process.env)) : [],
    configuration === undefined ? trainerFindings(python) : [],
    configuration === undefined ? undefined : examineConfiguration(configuration, { storeRoot, python }),
  ]);
  return [
    {
      subject: 'This machine',
      findings: [nodeFinding(), cli, python.finding, ...trainer, gpu, cache, store, ...ports],
    },
    { subject: 'Temporal', findings: temporal.findings },
    { subject: 'Hugging Face', findings: [hub] },
    ...(asConfigured === undefined
      ? []
      : [{ subject: 'The configuration, as this machine sees it', findings: asConfigured }]),
  ];
}

/** Whether the trainer starts, and on what it trains; with a configuration its own trainer is checked instead. */
async function trainerFindings({ path, isThere, finding }: PythonFound): Promise<Finding[]> {
  if (!isThere) return [];
  try {
    const device = await checkTrainer({
      command: ['{python}', '-m', 'trainer', '--job', '{job}'],
      python: path,
      packageRoot: root,
      environment: process.env,
      baseCheckpoint: undefined,
      trustRemoteCode: false,
      reportTo: [],
    });
    return [ok('trainer', `starts, and trains on ${device}`)];
  } catch (error) {
    const mend = `${path} lacks what trainer/requirements.txt names: unset SELF_TAUGHT_EVALUATOR_PYTHON for the environment of ours, or remove that for a new one.`;
    return [(finding.status === 'missing' ? missing : note)('trainer', lineOf(error), mend)];
  }
}
