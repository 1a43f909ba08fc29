/**
 * The port ServingDriver: a way to serve models. One file for each kind, and a line in registry.ts; nothing else in src
 * compares kinds. A driver says where a model is served; the supervisor starts, finds, shares and stops the servers.
 */
import type { z } from 'zod';
import { fillTemplate, unknownPlaceholders } from '../../../platform/fill-template.ts';
import { pickedTemplate } from '../../../platform/command-template.ts';
import type { Problem } from '../../../platform/problem.ts';
import type { ProbedRequest } from '../../inference/check-endpoints.ts';
import type { ConnectionGuard } from '../../inference/connection-guard.ts';
import type { EndpointAddresses, Environment } from '../../inference/endpoint.ts';
import type { AdapterLoader } from '../adapters/publish-adapter.ts';
import type { ServerSpec, ServerValues } from './server-spec.ts';

/** The fields that every driver's configuration has. */
export interface ServingShape {
  readonly [field: string]: z.ZodType;
  readonly kind: z.ZodLiteral<string>;
  /** Template with the placeholders of `NAME_PLACEHOLDERS`. */
  readonly servedModelName: z.ZodType<string>;
}

/** `serving` as a run has it. */
export type ServingSettings = z.output<z.ZodObject<ServingShape>> & {
  readonly kind: string;
  readonly servedModelName: string;
};

/** A way to serve models: servers on the machine of a worker, or endpoints that exist already. */
export type ServingDriver<Schema extends z.ZodObject<ServingShape> = z.ZodObject<ServingShape>> =
  MachineDriver<Schema> | EndpointDriver<Schema>;

interface CommonDriver<Schema extends z.ZodObject<ServingShape>> {
  /** `serving`. The literal `kind` names the driver. */
  readonly configuration: Schema;
  /** The driver in messages, such as "a command". */
  readonly noun: string;
  /** How the model is served, in a message to the user. */
  describe(settings: z.output<Schema>): string;
  /** Settings that contradict each other, in the configuration's field `path`. */
  problems(path: string, settings: z.output<Schema>): Problem[];
  /**
   * Checks before any work whether the model can be served. Runs on the machine that serves it, or for an endpoint on a
   * worker that sends requests.
   */
  check(check: ServingCheck<z.output<Schema>>): Promise<Problem[]>;
  /**
   * Problems that serving each judge of a run that trains would have: without them another checkpoint is another model.
   * @param adapter `fineTuning.adapter`; undefined if it isn't valid
   */
  trainedJudgeProblems(path: string, settings: z.output<Schema>, adapter?: TrainedWeights): Problem[];
}

/** Which weights a run trains: all, or an adapter of a rank. */
export type TrainedWeights = { readonly kind: 'none' } | { readonly kind: 'lora'; readonly rank: number };

/** The worker's machine serves the model: it needs the checkpoint, and a worker with the role `gpu`. */
export interface MachineDriver<
  Schema extends z.ZodObject<ServingShape> = z.ZodObject<ServingShape>,
> extends CommonDriver<Schema> {
  readonly needsMachine: true;
  /** The server process that serves a model. Models with the same process share it. */
  server(settings: z.output<Schema>, values: ServerValues): ServerSpec;
  /** Whether the server runs in the Python environment of the trainer. */
  usesPython(settings: z.output<Schema>): boolean;
  /** How many of the machine's GPUs a server uses; null: all; 0: it is on another machine. */
  gpus(settings: z.output<Schema>): number | null;
  /** The key that the settings contain themselves; `apiKeyEnv` names a variable that contains it. */
  key?(settings: z.output<Schema>): string | undefined;
  /** Whether the run's servers stop while it trains; null: unless the machine has enough GPUs for both. */
  stopsWhileTraining(settings: z.output<Schema>): boolean | null;
  /** Set if the server of a base also serves the adapters that were trained on it; otherwise each judge is served whole. */
  readonly adapters?: AdapterLoader<z.output<Schema>>;
}

/** The model is served at addresses that exist already. */
export interface EndpointDriver<
  Schema extends z.ZodObject<ServingShape> = z.ZodObject<ServingShape>,
> extends CommonDriver<Schema> {
  readonly needsMachine: false;
  addresses(settings: z.output<Schema>): EndpointAddresses;
}

export interface ServingCheck<Settings> {
  /** The configuration's field that holds the settings. */
  readonly path: string;
  readonly settings: Settings;
  /** A checkpoint that is to be served. */
  readonly checkpoint: string;
  readonly runName: string;
  readonly environment: Environment;
  /** Says which endpoints may be asked, with which keys; without it all. */
  readonly guard?: ConnectionGuard | undefined;
  /** The requests that will be sent to the model, as far as they are known. */
  readonly requests?: readonly ProbedRequest[] | undefined;
  /** The interpreter behind `{python}`, if the machine has one. */
  readonly python: string | undefined;
}

/** Declares a driver of servers; the type of its settings follows from `configuration`. */
export function defineMachineDriver<Schema extends z.ZodObject<ServingShape>>(
  driver: MachineDriver<Schema>,
): MachineDriver<Schema> {
  return driver;
}

/** Declares a driver of endpoints; the type of its settings follows from `configuration`. */
export function defineEndpointDriver<Schema extends z.ZodObject<ServingShape>>(
  driver: EndpointDriver<Schema>,
): EndpointDriver<Schema> {
  return driver;
}

/** The placeholders of `servedModelName`. */
const NAME_PLACEHOLDERS = ['runName', 'iteration', 'checkpoint'] as const;

/** The name under which a model is served. */
export function servedModelNameOf(
  { servedModelName }: { readonly servedModelName: string },
  model: { readonly runName: string; readonly iteration: number; readonly checkpoint: string },
): string {
  const { runName, iteration, checkpoint } = model;
  return fillTemplate(servedModelName, { runName, iteration: String(iteration), checkpoint });
}

/** Unknown placeholders in the name under which models are served. */
export function servedModelNameProblems(
  path: string,
  { servedModelName }: { readonly servedModelName: string },
): Problem[] {
  return placeholderProblems(`${path}.servedModelName`, servedModelName, NAME_PLACEHOLDERS);
}

/** Returns whether the name at the server is another one for each judge that a run trains. */
export function namesEachJudge({ servedModelName }: { readonly servedModelName: string }): boolean {
  return /\{(iteration|checkpoint)\}/.test(servedModelName);
}

/** The problem of a command that knows neither the checkpoint nor a name that follows from it. */
export function fixedModelProblems(
  path: string,
  settings: { readonly servedModelName: string; readonly command: readonly string[] },
): Problem[] {
  // The worker checks the contents of a template of its policy.
  if (pickedTemplate(settings.command) !== undefined) return [];
  if (namesEachJudge(settings) || settings.command.some((argument) => argument.includes('{checkpoint}')))
    return [];
  const message =
    'contains no {checkpoint}, and servedModelName contains neither {iteration} nor {checkpoint}: the same model would answer for ' +
    'the seed model and for every judge that the run trains, and all would get its figures. Write {checkpoint} where the server takes its model';
  return [{ path: `${path}.command`, message }];
}

/** Unknown placeholders in a field of the configuration. */
export function placeholderProblems(path: string, template: string, known: readonly string[]): Problem[] {
  const unknown = unknownPlaceholders(template, known);
  const braces = (names: readonly string[]) => names.map((name) => `{${name}}`).join(', ');
  if (unknown.length === 0) return [];
  return [{ path, message: `unknown placeholder ${braces(unknown)}; known: ${braces(known)}` }];
}
