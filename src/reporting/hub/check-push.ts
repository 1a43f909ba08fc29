import { HubApiError, whoAmI } from '@huggingface/hub';
import { hubFetch } from '../../datasets/hub-fetch.ts';
import { InvalidInput } from '../../platform/invalid-input.ts';
import { toHubError, type PushTarget } from './push-files.ts';

/**
 * Checks that a push will be allowed, without changing anything on the hub. For an existing repository, the request for the
 * upload method of a file succeeds only with write access. A missing repository must belong to the user, or to one of the
 * user's organizations.
 * @throws Error with the reason
 */
export async function checkPush(target: Omit<PushTarget, 'private' | 'revision'>): Promise<void> {
  const { url, token, repository } = target;
  const { type, name } = repository;
  const label = `${type} ${name}`;
  const response = await asking(() =>
    fetch(`${url}/api/${type}s/${name}/preupload/main`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ files: [{ path: 'README.md', size: 1, sample: '' }] }),
    }),
  );
  await response.body?.cancel();
  if (response.ok) return;
  if (response.status === 403) throw new InvalidInput(`${label}: the token has no write permission for it`);
  const me = await asking(() => whoAmI({ hubUrl: url, accessToken: token, fetch: hubFetch(url, token) }));
  if (response.status !== 404) throw new Error(`${label}: the hub at ${url} answered ${response.status}`);
  if (me.auth.accessToken?.role === 'read')
    throw new InvalidInput(
      `${label}: this repository doesn't exist, and the token is read-only, so it can't create one`,
    );
  const writableOwners = [me.name, ...(me.type === 'user' ? me.orgs.map((org) => org.name) : [])];
  const owner = name.split('/')[0] ?? '';
  if (!writableOwners.includes(owner))
    throw new InvalidInput(
      `${label}: this repository doesn't exist or is not visible with the token, which can't create one for ${owner}: the token belongs to ${me.name}` +
        `${writableOwners.length > 1 ? `, who may write for ${writableOwners.slice(1).join(', ')}` : ''}`,
    );

  async function asking<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      if (error instanceof HubApiError && error.statusCode === 401)
        throw new InvalidInput(`${label}: the hub at ${url} doesn't accept the token`, { cause: error });
      throw toHubError(label, url, error);
    }
  }
}
