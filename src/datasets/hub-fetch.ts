/**
 * Fetches for the hub's client, which follows links of answers with the token that it was given. The hub keeps large files elsewhere, so
 * other origins are asked, but without the hub's token; of a redirect to another origin fetch itself removes it.
 */
export function hubFetch(hubUrl: string, token: string | undefined): typeof fetch {
  const { origin } = new URL(hubUrl);
  return (input, init) => {
    const request = new Request(input, init);
    const isOurs = token !== undefined && request.headers.get('authorization') === `Bearer ${token}`;
    if (isOurs && new URL(request.url).origin !== origin) request.headers.delete('authorization');
    return fetch(request);
  };
}
