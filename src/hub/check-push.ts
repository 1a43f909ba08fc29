import { HubApiError, whoAmI } from '@huggingface/hub';
import { InputProblem } from '../artifacts/errors.ts';
import { hubFailure, type PushTarget } from './push-files.ts';

/**
 * Checks before any work that a push will be allowed, without changing anything on the hub. A repository that is there is
 * asked how it would take a file, which only those who may write to it are told; one that isn't must be the user's, or
 * an organisation's of theirs, to make.
 * @throws Error that says what is wrong
 */
export async function checkPush(target: Omit<PushTarget, 'private' | 'revision'>): Promise<void> {
  const { url, token, repository } = target;
  const { type, name } = repository;
  const what = `${type} ${name}`;
  const response = await asking(() =>
    fetch(`${url}/api/${type}s/${name}/preupload/main`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ files: [{ path: 'README.md', size: 1, sample: '' }] }),
    }),
  );
  await response.body?.cancel();
  if (response.ok) return;
  if (response.status === 403) throw new InputProblem(`${what}: the token may not write to it`);
  const me = await asking(() => whoAmI({ hubUrl: url, accessToken: token }));
  if (response.status !== 404) throw new Error(`${what}: the hub at ${url} says ${response.status}`);
  if (me.auth.accessToken?.role === 'read')
    throw new InputProblem(
      `${what}: there is no such repository, and the token may only read, so it can't make one`,
    );
  const mine = [me.name, ...(me.type === 'user' ? me.orgs.map((org) => org.name) : [])];
  const owner = name.split('/')[0] ?? '';
  if (!mine.includes(owner))
    throw new InputProblem(
      `${what}: there is no such repository, or none that the token may see, and it can't make one of ${owner}: it is ${me.name}'s` +
        `${mine.length > 1 ? `, who may write for ${mine.slice(1).join(', ')}` : ''}`,
    );

  async function asking<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      if (error instanceof HubApiError && error.statusCode === 401)
        throw new InputProblem(`${what}: the hub at ${url} doesn't know the token`, { cause: error });
      throw hubFailure(what, url, error);
    }
  }
}
