import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A data set that the local hub serves. */
export interface LocalDataset {
  readonly name: string;
  readonly commit: string;
  readonly branch: string;
  readonly files: Readonly<Record<string, Buffer>>;
  /** The token that requests must have. */
  readonly token?: string;
  /** The files that are not in Git LFS. */
  readonly plain?: readonly string[];
  /** Changes the answers of a hostile hub: the commit of a revision, the entries of a tree. */
  readonly commitOfRevision?: string;
  readonly entry?: object;
  /** The origin of a server that has the contents of files and the later pages of lists, in place of the hub itself. */
  readonly elsewhere?: string;
}

export interface LocalHub {
  readonly url: string;
  /** `GET /path` of every request so far. */
  readonly requests: string[];
  /** The authorizations that it was given. */
  readonly authorizations: string[];
  /** Replaces the content of a file. */
  damage(bytes: Buffer | undefined): void;
  close(): Promise<void>;
}

/** Serves one data set by the protocol of huggingface.co: revisions, paged trees, path infos, ranges of files. */
export async function startLocalHub(dataset: LocalDataset): Promise<LocalHub> {
  const requests: string[] = [];
  const authorizations: string[] = [];
  let damaged: Buffer | undefined;
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (request.headers.authorization !== undefined) authorizations.push(request.headers.authorization);
    void answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', url);
    const json = (value: unknown, status = 200, headers: Record<string, string> = {}) =>
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(value));
    if (dataset.token !== undefined && request.headers.authorization !== `Bearer ${dataset.token}`)
      return void json({ error: 'Access to this dataset is restricted' }, 401);
    const api = new RegExp(`^/api/datasets/${dataset.name}/(revision|tree|paths-info)/([^/]+)$`).exec(
      pathname,
    );
    const file = new RegExp(`^/datasets/${dataset.name}/resolve/([^/]+)/(.+)$`).exec(pathname);
    const revision = decodeURIComponent(api?.[2] ?? file?.[1] ?? '');
    if (api === null && file === null) return void json({ error: 'Repository not found' }, 404);
    if (revision !== dataset.commit && revision !== dataset.branch)
      return void json({ error: `Invalid rev id: ${revision}` }, 404);
    if (file !== null && dataset.elsewhere !== undefined)
      return void response.writeHead(302, { location: dataset.elsewhere + pathname }).end();
    if (file !== null) return sendFile(request, response, decodeURIComponent(file[2] ?? ''));
    const entries = Object.entries(dataset.files).map(([path, bytes]) => ({
      type: 'file',
      path,
      size: bytes.length,
      oid: createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'),
      ...(dataset.plain?.includes(path)
        ? {}
        : {
            lfs: {
              oid: createHash('sha256').update(bytes).digest('hex'),
              ...{ size: bytes.length, pointerSize: 130 },
            },
          }),
      lastCommit: { id: dataset.commit, title: 'data', date: '2024-01-01T00:00:00Z' },
      ...dataset.entry,
    }));
    if (api?.[1] === 'revision')
      return void json({ _id: '1', id: dataset.name, sha: dataset.commitOfRevision ?? dataset.commit });
    if (api?.[1] === 'paths-info') {
      const body = (await Array.fromAsync(request as AsyncIterable<Buffer>)).join('');
      const { paths } = JSON.parse(body) as { paths: string[] };
      return void json(entries.filter(({ path }) => paths.includes(path)));
    }
    // One entry per page.
    const page = Number(searchParams.get('cursor') ?? 0);
    const next = `<${dataset.elsewhere ?? url}${pathname}?recursive=true&cursor=${page + 1}>; rel="next"`;
    json(entries.slice(page, page + 1), 200, page + 1 < entries.length ? { link: next } : {});
  }

  function sendFile(request: IncomingMessage, response: ServerResponse, path: string): void {
    const bytes = damaged ?? dataset.files[path];
    if (bytes === undefined) return void response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
    const etag = `"${createHash('sha256').update(bytes).digest('hex')}"`;
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (range === null) return void response.writeHead(200, { etag }).end(bytes);
    const [from, to] = [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)];
    const part = bytes.subarray(from, to + 1);
    response.writeHead(206, { etag, 'content-range': `bytes ${from}-${to}/${bytes.length}` }).end(part);
  }

  return {
    url,
    requests,
    authorizations,
    damage: (bytes) => (damaged = bytes),
    async close() {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}
