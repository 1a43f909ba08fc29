/** Checks the Temporal server. */
import { NamespaceNotFoundError } from '@temporalio/client';
import { checkSearchAttributes } from '../../temporal/search-attributes.ts';
import { isOwnDevServer } from '../../temporal/own-dev-server.ts';
import { TemporalUnreachable } from '../../temporal/temporal-unreachable.ts';
import { temporalSettings } from '../../temporal/settings.ts';
import { taskQueueForRole, type Role, ROLES } from '../../api/task-queues.ts';
import { PROGRAM_CALL } from '../../platform/program.ts';
import { connectToTemporal, type TemporalConnection } from '../temporal/connect.ts';
import { isNewEnough } from '../setup/temporal-cli.ts';
import { listPollers } from '../../temporal/pollers.ts';
import { type Finding, oneLineMessage, missing, note, ok } from './finding.ts';

/** The findings about Temporal, and what they mean for the other checks. */
export interface TemporalFindings {
  readonly findings: readonly Finding[];
  /** No server answers and none is configured: the development server must be started on this machine. */
  readonly needsDevServer: boolean;
  /** True if the server is the development server of this checkout, which runs or is to be started. */
  readonly isOwnServer: boolean;
  /** The roles that have a worker. */
  readonly roles: readonly Role[];
}

/** Checks the server, the namespace, its search attributes, and the workers of each role. */
export async function temporalFindings(taskQueue: string): Promise<TemporalFindings> {
  let temporal: TemporalConnection;
  try {
    temporal = await connectToTemporal(process.env);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // The message may contain what to do after a colon.
    const [, detail = message, fix = 'See "Any Temporal" in docs/deploy.md.'] =
      /^(.*?): ((?:start|set|look|give|name|check|take) .*)$/s.exec(message) ?? [];
    const findings = [missing('server', detail, capitalized(fix))];
    const needsDevServer = error instanceof TemporalUnreachable && !isServerConfigured();
    return { findings, needsDevServer, isOwnServer: needsDevServer, roles: [] };
  }
  const server = await serverFinding(temporal);
  const namespace = await namespaceFinding(temporal);
  const isOwnServer = await isOwnDevServer(temporal.connection, temporal.address, process.env);
  if (namespace.status === 'missing')
    return { findings: [server, namespace], needsDevServer: false, isOwnServer, roles: [] };
  const [attributes, workers] = await Promise.all([
    attributesFinding(temporal),
    Promise.all(ROLES.map((role) => workersFinding(temporal, role, taskQueue))),
  ]);
  return {
    findings: [server, namespace, attributes, ...workers],
    needsDevServer: false,
    isOwnServer,
    roles: ROLES.filter((_, index) => workers[index]?.status === 'ok'),
  };
}

function isServerConfigured(): boolean {
  return temporalSettings(process.env).address !== undefined;
}

async function serverFinding({ connection, address }: TemporalConnection): Promise<Finding> {
  const { serverVersion } = await connection.workflowService.getSystemInfo({});
  const detail = `${address}, version ${serverVersion || 'unknown'}`;
  // Temporal Cloud reports no version, or one of its own.
  if (!serverVersion || isNewEnough(`(Server ${serverVersion}.`)) return ok('server', detail);
  return note('server', `${detail}: older than the oldest tested server`, 'Update the server.');
}

async function namespaceFinding({ client, namespace }: TemporalConnection): Promise<Finding> {
  const check = 'namespace';
  try {
    const { config } = await client.workflowService.describeNamespace({ namespace });
    const days = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) / 86_400;
    return ok(check, `${namespace}, ended runs are kept ${days.toFixed(0)} ${days === 1 ? 'day' : 'days'}`);
  } catch (error) {
    const isMissing =
      error instanceof NamespaceNotFoundError || (error as { code?: unknown }).code === NOT_FOUND;
    if (isMissing)
      return missing(
        check,
        `there is no ${namespace}`,
        `Set TEMPORAL_NAMESPACE, choose another profile, or create it: temporal operator namespace create --namespace ${namespace}`,
      );
    // Permission to start runs does not include permission to describe the namespace.
    return note(check, `${namespace}, which can't be described (${oneLineMessage(error)})`);
  }
}

/** The gRPC code NOT_FOUND. */
const NOT_FOUND = 5;

async function attributesFinding({ connection, namespace }: TemporalConnection): Promise<Finding> {
  const check = 'search attributes';
  const { present, missing: absent, problem, commands } = await checkSearchAttributes(connection, namespace);
  if (problem !== undefined) return note(check, `they can't be listed (${problem.replaceAll(/\s+/g, ' ')})`);
  if (absent.length === 0) return ok(check, present.join(', '));
  return note(
    check,
    `the namespace lacks ${absent.join(', ')}: runs work without them, but can't be searched by them`,
    `Add them, then restart the workers:\n${commands.join('\n')}`,
  );
}

async function workersFinding(temporal: TemporalConnection, role: Role, taskQueue: string): Promise<Finding> {
  const check = `workers: ${role}`;
  const queue = taskQueueForRole(role, taskQueue);
  try {
    const pollers = await listPollers(temporal.client, role, taskQueue);
    if (pollers.length > 0)
      return ok(check, `${pollers.map(({ identity }) => identity).join(', ')} on the queue ${queue}`);
    return missing(
      check,
      `none listens on the queue ${queue}`,
      `Start one: ${PROGRAM_CALL} worker --roles ${role}; or name the queue of your workers with --task-queue.`,
    );
  } catch (error) {
    return note(check, `the queue ${queue} can't be described (${oneLineMessage(error)})`);
  }
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
