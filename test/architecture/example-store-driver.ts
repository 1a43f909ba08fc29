import { openObjectStore } from '../../src/store/drivers.ts';
import type { ObjectInfo, ObjectStore, StoreDriver } from '../../src/store/objects/object-store.ts';

/**
 * An example of a driver: `below:PREFIX@ADDRESS` is a store below a prefix of another one. To add a driver, write a file
 * such as this one in src/store/drivers/ and name it in src/store/drivers.ts.
 */
export const exampleDriver: StoreDriver = {
  accepts: (address) => address.startsWith('below:'),
  resolve: (address) => address,
  open(address) {
    const { prefix = '', other = '' } = /^below:(?<prefix>[^@]+)@(?<other>.+)$/.exec(address)?.groups ?? {};
    return storeBelow(address, prefix, openObjectStore(other));
  },
};

function storeBelow(address: string, prefix: string, other: ObjectStore): ObjectStore {
  const keyOf = (key: string): string => {
    if (key.startsWith('/') || key.split('/').includes('..'))
      throw new Error(`artifact uri ${JSON.stringify(key)} leads out of the store ${address}`);
    return key === '' ? prefix : `${prefix}/${key}`;
  };
  const inside = (info: ObjectInfo): ObjectInfo => ({ ...info, key: info.key.slice(prefix.length + 1) });
  return {
    address,
    words: other.words,
    isRemote: other.isRemote,
    localRoot: other.localRoot,
    exists: () => other.exists(),
    locate: (key) => other.locate(keyOf(key)),
    url: (key) => other.url(keyOf(key)),
    get: (key) => other.get(keyOf(key)),
    stream: (key) => other.stream(keyOf(key)),
    tail: (key, bytes) => other.tail(keyOf(key), bytes),
    async head(key) {
      const info = await other.head(keyOf(key));
      return info && inside(info);
    },
    put: (key, body, options) => other.put(keyOf(key), body, options),
    putIfAbsent: (key, body, options) => other.putIfAbsent(keyOf(key), body, options),
    async putUnderFreeKey(keys, body, options) {
      const key = await other.putUnderFreeKey(keys.map(keyOf), body, options);
      return key?.slice(prefix.length + 1);
    },
    replaceIfVersion: (key, body, version) => other.replaceIfVersion(keyOf(key), body, version),
    move: (key, to) => other.move(keyOf(key), keyOf(to)),
    delete: (key) => other.delete(keyOf(key)),
    children: (key) => other.children(keyOf(key)),
    list: async (key) => (await other.list(keyOf(key))).map(inside),
    listIncomplete: async (key) => (await other.listIncomplete(keyOf(key))).map(inside),
    openLog: (key) => other.openLog(keyOf(key)),
    localFolder: (key) => other.localFolder(keyOf(key)),
    freeBytes: () => other.freeBytes(),
  };
}
