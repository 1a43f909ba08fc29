import { fineTuningSchema } from '../../config/fine-tuning.ts';
import { launcherOf } from '../../models/training/launchers/registry.ts';
import type { ExitReason } from '../core/exit-codes.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import { choosePolicy, readPolicy } from '../../policy/read-policy.ts';
import { devServerPorts } from '../temporal/dev-server.ts';
import { configurationFindings } from './configuration.ts';
import { type FindingGroup, type Finding, oneLineMessage, missing, note, ok } from './finding.ts';
import { hubFinding } from './hub.ts';
import {
  cacheFinding,
  gpuFinding,
  nodeFinding,
  portFindings,
  lookUpPython,
  type PythonLookup,
  storeFinding,
  temporalCliFinding,
} from './machine.ts';
import { findingsText } from './findings-text.ts';
import { temporalFindings } from './temporal.ts';
import { packageRoot } from '../../platform/package-root.ts';
import { printText, printJson } from '../core/output.ts';

export interface DoctorRequest {
  /** The configuration file of a run, evaluation or judging to check. */
  readonly configuration: string | undefined;
  readonly taskQueue: string;
  readonly storeRoot: string;
  /** The option of the worker. */
  readonly policy: string | undefined;
}

/**
 * Prints what is installed, reachable and missing for a run, and how to fix it. Changes nothing and installs nothing.
 * @returns `failed` if something is missing that a run needs
 */
export async function doctor(request: DoctorRequest, json: boolean): Promise<ExitReason> {
  const groups = await collectFindings(request);
  const missingFindings = groups.flatMap(({ findings }) =>
    findings.filter(({ status }) => status === 'missing'),
  );
  if (json) {
    const all = groups.flatMap(({ subject, findings }) =>
      findings.map((finding) => ({ subject, ...finding })),
    );
    printJson({ ok: missingFindings.length === 0, findings: all });
  } else {
    printText(findingsText(groups));
    const count = missingFindings.length === 1 ? '1 thing is' : `${missingFindings.length} things are`;
    printText(
      missingFindings.length === 0
        ? '\nNothing is missing.'
        : `\n${count} missing: ${missingFindings.map(({ check }) => check).join(', ')}.`,
    );
  }
  return missingFindings.length === 0 ? 'done' : 'failed';
}

async function collectFindings({
  configuration,
  taskQueue,
  storeRoot,
  policy: policyOption,
}: DoctorRequest): Promise<FindingGroup[]> {
  const givenPolicy = readPolicy(policyOption ?? '');
  const [temporal, gpu, hub] = await Promise.all([
    temporalFindings(taskQueue),
    gpuFinding(),
    hubFinding(process.env),
  ]);
  const policy = choosePolicy(givenPolicy, temporal.isOwnServer);
  const isTrainedElsewhere = temporal.roles.includes('gpu');
  const python = await lookUpPython(!isTrainedElsewhere);
  const [cli, cache, store, ports, trainer, configured] = await Promise.all([
    temporalCliFinding(temporal.needsDevServer),
    cacheFinding(python.isInstalled || isTrainedElsewhere),
    storeFinding(storeRoot),
    temporal.needsDevServer ? portFindings(devServerPorts(process.env)) : [],
    configuration === undefined ? trainerFindings(python) : [],
    configuration === undefined
      ? undefined
      : configurationFindings(configuration, { storeRoot, python, policy }),
  ]);
  return [
    {
      subject: 'This machine',
      findings: [nodeFinding(), cli, python.finding, ...trainer, gpu, cache, store, ...ports],
    },
    { subject: 'Temporal', findings: temporal.findings },
    { subject: 'A worker on this machine', findings: [ok('policy', policy.description)] },
    { subject: 'Hugging Face', findings: [hub] },
    ...(configured === undefined
      ? []
      : [{ subject: 'The configuration, checked on this machine', findings: configured }]),
  ];
}

/** Returns whether the trainer starts, and its device. With a configuration, the configured trainer is checked instead. */
async function trainerFindings({ path, isInstalled, finding }: PythonLookup): Promise<Finding[]> {
  if (!isInstalled) return [];
  try {
    const settings = fineTuningSchema.parse({}).launcher;
    const { device, problems } = await launcherOf(settings).check({
      settings,
      machine: { python: path, packageRoot, environment: process.env },
      ...{ baseCheckpoint: undefined, trustRemoteCode: false, reportTo: [] },
    });
    if (device === undefined) throw new Error(problems.join('; '));
    return [ok('trainer', `starts, and trains on ${device}`)];
  } catch (error) {
    const fix = `${path} lacks packages of trainer/requirements.txt: unset SELF_TAUGHT_EVALUATOR_PYTHON to use the environment of the set-up; if it is that one, delete it, and "${PROGRAM_CALL} setup" creates a new one.`;
    return [(finding.status === 'missing' ? missing : note)('trainer', oneLineMessage(error), fix)];
  }
}
