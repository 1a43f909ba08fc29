/** What can be reached of Temporal. */
import { NamespaceNotFoundError } from '@temporalio/client';
import { searchAttributesIn } from '../../src/search-attributes.ts';
import { TemporalUnreachable } from '../../src/setting-error.ts';
import { temporalSettings } from '../../src/temporal/settings.ts';
import { queueOf, type Role, ROLES } from '../../src/worker-options.ts';
import { CALL } from '../cli/program.ts';
import { connectToTemporal, type Temporal } from '../follow/connect.ts';
import { isNewEnough } from '../setup/temporal-cli.ts';
import { pollersOf } from '../temporal/pollers.ts';
import { type Finding, lineOf, missing, note, ok } from './finding.ts';

/** What of Temporal was found, and what follows for the rest. */
export interface TemporalFound {
  readonly findings: readonly Finding[];
  /** No server answers, and none is named that should: the development server is to be started on this machine. */
  readonly isToBeStartedHere: boolean;
  /** The roles that a worker does already. */
  readonly roles: readonly Role[];
}

/** Looks at the server, the namespace, its search attributes, and the workers of each role. */
export async function examineTemporal(taskQueue: string): Promise<TemporalFound> {
  let temporal: Temporal;
  try {
    temporal = await connectToTemporal(process.env);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // What to do stands behind what is wrong, and may be all that is said.
    const [, found = message, mend = 'See "Any Temporal" in docs/deploy.md.'] =
      /^(.*?): ((?:start|set|look|give|name|check|take) .*)$/s.exec(message) ?? [];
    const findings = [missing('server', found, capitalized(mend))];
    return { findings, isToBeStartedHere: error instanceof TemporalUnreachable && !namesServer(), roles: [] };
  }
  const server = await serverFinding(temporal);
  const namespace = await namespaceFinding(temporal);
  if (namespace.status === 'missing')
    return { findings: [server, namespace], isToBeStartedHere: false, roles: [] };
  const [attributes, workers] = await Promise.all([
    attributesFinding(temporal),
    Promise.all(ROLES.map((role) => workersFinding(temporal, role, taskQueue))),
  ]);
  return {
    findings: [server, namespace, attributes, ...workers],
    isToBeStartedHere: false,
    roles: ROLES.filter((_, index) => workers[index]?.status === 'ok'),
  };
}

/** Of settings that can be read. */
function namesServer(): boolean {
  return temporalSettings(process.env).address !== undefined;
}

async function serverFinding({ connection, address }: Temporal): Promise<Finding> {
  const { serverVersion } = await connection.workflowService.getSystemInfo({});
  const found = `${address}, version ${serverVersion || 'unknown'}`;
  // Temporal Cloud tells none, or one of its own.
  if (!serverVersion || isNewEnough(`(Server ${serverVersion}.`)) return ok('server', found);
  return note('server', `${found}: older than those that runs were tried on`, 'Bring the server up to date.');
}

async function namespaceFinding({ client, namespace }: Temporal): Promise<Finding> {
  const what = 'namespace';
  try {
    const { config } = await client.workflowService.describeNamespace({ namespace });
    const days = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) / 86_400;
    return ok(what, `${namespace}, runs that have ended are kept ${days.toFixed(0)} days`);
  } catch (error) {
    const isNone =
      error instanceof NamespaceNotFoundError || (error as { code?: unknown }).code === NOT_FOUND;
    if (isNone)
      return missing(
        what,
        `there is no ${namespace}`,
        `Set TEMPORAL_NAMESPACE, choose another profile, or make it: temporal operator namespace create --namespace ${namespace}`,
      );
    // One who may start runs need not be allowed to look at the namespace.
    return note(what, `${namespace}, which can't be looked at (${lineOf(error)})`);
  }
}

/** Of gRPC. */
const NOT_FOUND = 5;

async function attributesFinding({ connection, namespace }: Temporal): Promise<Finding> {
  const what = 'search attributes';
  const { there, missing: lacking, problem, commands } = await searchAttributesIn(connection, namespace);
  if (problem !== undefined) return note(what, `they can't be listed (${problem.replaceAll(/\s+/g, ' ')})`);
  if (lacking.length === 0) return ok(what, there.join(', '));
  return note(
    what,
    `the namespace lacks ${lacking.join(', ')}: runs do without, but can't be found by them`,
    `Add them, then start the workers again:\n${commands.join('\n')}`,
  );
}

async function workersFinding(temporal: Temporal, role: Role, taskQueue: string): Promise<Finding> {
  const what = `workers: ${role}`;
  const queue = queueOf(role, taskQueue);
  try {
    const pollers = await pollersOf(temporal, role, taskQueue);
    if (pollers.length > 0)
      return ok(what, `${pollers.map(({ identity }) => identity).join(', ')} on the queue ${queue}`);
    return missing(
      what,
      `none listens on the queue ${queue}`,
      `Start one: ${CALL} worker --roles ${role}; or name the queue of yours by --task-queue.`,
    );
  } catch (error) {
    return note(what, `the queue ${queue} can't be looked at (${lineOf(error)})`);
  }
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
