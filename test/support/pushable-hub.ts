import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A local hub that accepts pushes, with the protocol of huggingface.co for repositories, commits and large files. */
export interface PushableHub {
  readonly url: string;
  /** `METHOD /path` of every request so far. */
  readonly requests: string[];
  /** The files of a branch, by `model` or `dataset` and `owner/name`; undefined if there is no such repository. */
  files(type: string, name: string, branch?: string): Record<string, Buffer> | undefined;
  /** The messages of a branch's commits, the oldest first. */
  commits(type: string, name: string, branch?: string): string[];
  isPrivate(type: string, name: string): boolean | undefined;
  /** Answers the next requests whose `METHOD /path` matches with this status. */
  failNext(matching: RegExp, status: number, times?: number): void;
  close(): Promise<void>;
}

interface Commit {
  readonly id: string;
  readonly message: string;
  readonly files: ReadonlyMap<string, { readonly bytes: Buffer; readonly lfs: boolean }>;
}

interface Repository {
  readonly private: boolean;
  readonly branches: Map<string, Commit[]>;
}

/** Files above this size are uploaded in parts; the limit of huggingface.co is much higher. */
const PART = 100_000;

/** @param readOnly existing repositories without write permission */
export async function startPushableHub({
  token,
  user = 'someone',
  readOnly = [],
}: {
  readonly token: string;
  readonly user?: string;
  readonly readOnly?: readonly string[];
}): Promise<PushableHub> {
  const requests: string[] = [];
  const repositories = new Map<string, Repository>();
  const objects = new Map<string, Buffer>();
  const parts = new Map<string, Map<number, Buffer>>();
  let failing: { matching: RegExp; status: number; times: number } | undefined;
  for (const name of readOnly) create(name, true);

  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    void answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  function create(key: string, isPrivate: boolean): void {
    const first: Commit = { id: newId(), message: 'initial commit', files: new Map() };
    repositories.set(key, { private: isPrivate, branches: new Map([['main', [first]]]) });
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '', url);
    const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
    const json = (value: unknown, status = 200) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const way = `${request.method} ${pathname}`;
    if (failing !== undefined && failing.times > 0 && failing.matching.test(way)) {
      failing.times -= 1;
      return json({ error: 'try later' }, failing.status);
    }
    // Storage accepts signed URLs and no tokens.
    const stored = /^\/storage\/([0-9a-f]{64})(?:\/(\d+))?$/.exec(pathname);
    if (stored !== null) return store(stored[1] ?? '', stored[2], body, request.method ?? '', response);
    if (request.headers.authorization !== `Bearer ${token}`) return json({ error: 'Invalid token' }, 401);
    if (pathname === '/api/whoami-v2')
      return json({ type: 'user', name: user, orgs: [], auth: { accessToken: { role: 'write' } } });
    if (pathname === '/api/repos/create') {
      const asked = JSON.parse(body.toString()) as Record<
        'type' | 'organization' | 'name' | 'visibility',
        string
      >;
      const key = `${asked.type}s/${asked.organization}/${asked.name}`;
      if (asked.organization !== user) return json({ error: 'no rights to create here' }, 403);
      if (repositories.has(key)) return json({ error: 'You already created this repo' }, 409);
      create(key, asked.visibility === 'private');
      return json({ url: `${url}/${key}`, id: asked.name });
    }
    const lfs = /^\/(datasets\/)?([^/]+\/[^/]+)\.git\/info\/lfs\/objects\/batch$/.exec(pathname);
    if (lfs !== null) return json(batch(JSON.parse(body.toString()) as { objects: LfsObject[] }));
    const [, key = '', rest = ''] = /^\/api\/((?:model|dataset)s\/[^/]+\/[^/]+)(\/.*)?$/.exec(pathname) ?? [];
    const repository = repositories.get(key);
    if (repository === undefined) return json({ error: 'Repository not found' }, 404);
    const [action = '', revision = ''] = rest.slice(1).split('/').map(decodeURIComponent);
    if (readOnly.includes(key) && request.method === 'POST')
      return json(
        { error: 'Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request' },
        403,
      );
    if (action === 'branch') {
      if (repository.branches.has(revision)) return json({ error: 'Reference already exists' }, 409);
      repository.branches.set(revision, [...(repository.branches.get('main') ?? [])]);
      return json({});
    }
    const commits = [...repository.branches.entries()].find(
      ([branch, all]) => branch === (revision || 'main') || all.some(({ id }) => id === revision),
    )?.[1];
    const commit = commits?.find(({ id }) => id === revision) ?? commits?.at(-1);
    if (commits === undefined || commit === undefined)
      return json({ error: `Invalid rev id: ${revision}` }, 404);
    if (action === '' || action === 'revision') return json({ _id: '1', id: key, sha: commit.id });
    if (action === 'tree') return json([...commit.files].map(([path, file]) => treeEntry(path, file)));
    if (action === 'preupload') {
      const { files } = JSON.parse(body.toString()) as { files: { path: string }[] };
      return json({
        files: files.map(({ path }) => ({ path, uploadMode: isLarge(path) ? 'lfs' : 'regular' })),
      });
    }
    if (action !== 'commit') return json({ error: 'not found' }, 404);
    const lines = body
      .toString()
      .split('\n')
      .map((line) => JSON.parse(line) as CommitLine);
    const header = lines.find((line) => line.key === 'header');
    if (header?.value.parentCommit !== undefined && header.value.parentCommit !== commits.at(-1)?.id)
      return json({ error: 'A commit has happened since' }, 412);
    const files = new Map(commit.files);
    for (const line of lines) {
      if (line.key === 'file')
        files.set(line.value.path, { bytes: Buffer.from(line.value.content, 'base64'), lfs: false });
      if (line.key === 'lfsFile') {
        const bytes = objects.get(line.value.oid);
        if (bytes?.length !== line.value.size) return json({ error: `no object ${line.value.oid}` }, 400);
        files.set(line.value.path, { bytes, lfs: true });
      }
    }
    const made: Commit = { id: newId(), message: header?.value.summary ?? '', files };
    commits.push(made);
    json({ commitOid: made.id, commitUrl: `${url}/${key}/commit/${made.id}`, hookOutput: '' });
  }

  /** Returns the upload URL of each object, several for a large one, none for an existing one. */
  function batch({ objects: asked }: { objects: LfsObject[] }): unknown {
    return {
      transfer: asked.some(({ size }) => size > PART) ? 'multipart' : 'basic',
      objects: asked.map(({ oid, size }) => {
        if (objects.has(oid)) return { oid, size };
        const href = `${url}/storage/${oid}`;
        const count = Math.ceil(size / PART);
        const header = Object.fromEntries(
          Array.from({ length: count }, (_, index) => [
            String(index + 1).padStart(5, '0'),
            `${href}/${index + 1}`,
          ]),
        );
        const upload = size > PART ? { href, header: { chunk_size: String(PART), ...header } } : { href };
        return { oid, size, actions: { upload } };
      }),
    };
  }

  function store(
    oid: string,
    part: string | undefined,
    body: Buffer,
    method: string,
    response: ServerResponse,
  ): void {
    if (part !== undefined) {
      parts.set(oid, (parts.get(oid) ?? new Map<number, Buffer>()).set(Number(part), body));
      return void response.writeHead(200, { etag: `"${part}"` }).end();
    }
    const sent = [...(parts.get(oid) ?? [])].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
    const whole = method === 'POST' ? Buffer.concat(sent) : body;
    if (sha('sha256', whole) !== oid) return void response.writeHead(400).end('another hash');
    objects.set(oid, whole);
    response.writeHead(200).end();
  }

  const branchOf = (type: string, name: string, branch: string) =>
    repositories.get(`${type}s/${name}`)?.branches.get(branch);
  return {
    url,
    requests,
    files(type, name, branch = 'main') {
      const newest = branchOf(type, name, branch)?.at(-1);
      return newest && Object.fromEntries([...newest.files].map(([path, { bytes }]) => [path, bytes]));
    },
    commits: (type, name, branch = 'main') =>
      branchOf(type, name, branch)
        ?.slice(1)
        .map(({ message }) => message) ?? [],
    isPrivate: (type, name) => repositories.get(`${type}s/${name}`)?.private,
    failNext: (matching, status, times = 1) => (failing = { matching, status, times }),
    async close() {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface LfsObject {
  readonly oid: string;
  readonly size: number;
}

type CommitLine =
  | { readonly key: 'header'; readonly value: { readonly summary: string; readonly parentCommit?: string } }
  | { readonly key: 'file'; readonly value: { readonly path: string; readonly content: string } }
  | { readonly key: 'lfsFile'; readonly value: LfsObject & { readonly path: string } };

function treeEntry(path: string, { bytes, lfs }: { bytes: Buffer; lfs: boolean }): unknown {
  const oid = sha('sha1', Buffer.concat([Buffer.from(`blob ${bytes.length}\0`), bytes]));
  return {
    type: 'file',
    path,
    size: bytes.length,
    oid,
    ...(lfs ? { lfs: { oid: sha('sha256', bytes), size: bytes.length, pointerSize: 130 } } : {}),
  };
}

/** The files that the hub's default `.gitattributes` stores outside git. */
function isLarge(path: string): boolean {
  return /\.(safetensors|parquet)$/.test(path);
}

function sha(algorithm: 'sha1' | 'sha256', bytes: Buffer): string {
  return createHash(algorithm).update(bytes).digest('hex');
}

function newId(): string {
  return sha('sha1', Buffer.from(randomUUID()));
}
