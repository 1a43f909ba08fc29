/** The ways to serve models. A new one is a file beside this one and a line in `SERVING_DRIVERS` (docs/architecture.md). */
import { z } from 'zod';
import { commandDriver } from './command.ts';
import type { ServingDriver } from './driver.ts';
import { endpointDriver } from './endpoint.ts';
import { slurmDriver } from './slurm.ts';
import { vllmLoraDriver } from './vllm-lora.ts';

export const SERVING_DRIVERS = [endpointDriver, commandDriver, slurmDriver, vllmLoraDriver] as const;

export const servingSchema = servingSchemaOf(SERVING_DRIVERS);

/** `serving`, with its defaults. */
export type Serving = z.output<typeof servingSchema>;

/** The driver of some settings. */
export function servingDriverOf(settings: { readonly kind: string }): ServingDriver {
  return findServingDriver(SERVING_DRIVERS, settings.kind);
}

/** The driver of a kind among some. */
export function findServingDriver(drivers: readonly ServingDriver[], kind: string): ServingDriver {
  const found = drivers.find(({ configuration }) => configuration.shape.kind.value === kind);
  if (found === undefined) throw new RangeError(`there is no serving driver of the kind ${kind}`);
  return found;
}

/** The schema of the settings of any of the drivers. */
export function servingSchemaOf<const Drivers extends readonly [ServingDriver, ...ServingDriver[]]>(
  drivers: Drivers,
) {
  const schemas = drivers.map(({ configuration }) => configuration);
  return z.discriminatedUnion('kind', schemas as unknown as ServingSchemas<Drivers>);
}

type ServingSchemas<Drivers extends readonly [ServingDriver, ...ServingDriver[]]> = {
  [Index in keyof Drivers]: Drivers[Index]['configuration'];
};
