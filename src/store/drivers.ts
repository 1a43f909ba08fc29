/** The kinds of stores. */
import { posix } from 'node:path';
import { folderDriver } from './drivers/folder.ts';
import { memoryDriver } from './drivers/memory.ts';
import { s3Driver } from './drivers/s3.ts';
import { SettingError } from '../platform/setting-error.ts';
import type { ObjectStore, StoreDriver } from './objects/object-store.ts';

const STORE_DRIVERS: readonly StoreDriver[] = [folderDriver, memoryDriver, s3Driver];

/** @throws SettingError if no driver accepts the address */
export function openObjectStore(address: string): ObjectStore {
  return driverFor(address).open(address);
}

/** Opens what is below a prefix as a store of its own. */
export function openBelow(objects: ObjectStore, prefix: string): ObjectStore {
  return openObjectStore(objects.locate(prefix));
}

/** Opens the folder, or the prefix, of an object, in which the object has the key. */
export function openParent(address: string): { readonly objects: ObjectStore; readonly key: string } {
  return { objects: openObjectStore(posix.dirname(address)), key: posix.basename(address) };
}

/** Returns the address in a form that is valid for a process with another working directory. */
export function resolveStoreAddress(address: string): string {
  return driverFor(address).resolve(address);
}

function driverFor(address: string): StoreDriver {
  const driver = STORE_DRIVERS.find((each) => each.accepts(address));
  if (driver === undefined)
    throw new SettingError(`${address} is not a known kind of store: give a folder or s3://BUCKET/PREFIX`);
  return driver;
}
