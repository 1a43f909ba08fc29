/** Why no connection to Temporal comes about: a look at the address itself, because the SDK often says no more than that it failed. */
import { X509Certificate } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TlsSettings } from './settings.ts';

const ANSWER_MILLISECONDS = 5_000;
/** With TLS 1.3 a server says what it thinks of a client's certificate after the handshake. */
const REFUSAL_MILLISECONDS = 500;

/**
 * What is wrong with the way to the server, and what to do: a sentence. Undefined where a connection of this kind comes
 * about; known within eleven seconds.
 */
export async function problemOnTheWay(
  address: string,
  tls: TlsSettings | undefined,
): Promise<string | undefined> {
  const reached = await outcomeOf(connectTcp(hostAndPort(address)), 'connect', 0);
  if (reached === undefined) {
    const problem = tls === undefined ? await problemWithoutTls(address) : await problemWithTls(address, tls);
    return problem === undefined ? undefined : `The Temporal server at ${address} ${problem}.`;
  }
  return (
    `No Temporal server answers at ${address} (${reached instanceof Error ? unreachable(reached) : UNANSWERED}): start one with ` +
    '"npm run temporal", or name yours by TEMPORAL_ADDRESS or a profile of the Temporal CLI.'
  );
}

/** Only whether the server speaks TLS is asked: no certificate is looked at, and nothing is sent. */
async function problemWithoutTls(address: string): Promise<string | undefined> {
  const options = { ...targetOf(address, undefined), rejectUnauthorized: false };
  const outcome = await outcomeOf(connectTls(options), 'secureConnect', 0);
  const isTls = outcome === undefined || (outcome instanceof Error && /ALERT/.test(codeOf(outcome)));
  return isTls
    ? 'speaks TLS alone: set TEMPORAL_TLS=true, or tls in the profile, and what the server asks for beside it'
    : undefined;
}

async function problemWithTls(address: string, tls: TlsSettings): Promise<string | undefined> {
  const socket = connectTls({
    ...targetOf(address, tls.serverName),
    ...(tls.serverAuthority && { ca: tls.serverAuthority }),
    ...(tls.client && { cert: tls.client.certificate, key: tls.client.key }),
  });
  let isAccepted = false;
  socket.once('secureConnect', () => (isAccepted = true));
  const failure = await outcomeOf(socket, 'secureConnect', REFUSAL_MILLISECONDS);
  if (failure === undefined) return undefined;
  if (failure === 'closed')
    return isAccepted ? refusedClient(tls, 'it hangs up after the handshake') : NO_TLS;
  if (failure === 'silent') return `does not answer: ${UNANSWERED}`;
  return handshakeProblem(failure, tls);
}

/** Where TLS is tried. With an IP address for a name there is no name to send. */
function targetOf(address: string, serverName: string | undefined) {
  const { host, port } = hostAndPort(address);
  return { host, port, servername: serverName ?? (isIP(host) === 0 ? host : ''), ALPNProtocols: ['h2'] };
}

function hostAndPort(address: string): { host: string; port: number } {
  const [, host = '', port = '7233'] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(address) ?? [];
  return { host, port: Number(port) };
}

const UNANSWERED = `nothing came within ${ANSWER_MILLISECONDS / 1000} seconds; is a firewall between?`;
const NO_TLS =
  'speaks no TLS: set TEMPORAL_TLS=false where that is meant (an API key asks for TLS by itself)';

/** Waits for an event, and then for what comes within a time: undefined where neither an error nor the end does. */
function outcomeOf(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  afterwardsMilliseconds: number,
): Promise<Error | 'closed' | 'silent' | undefined> {
  return new Promise((resolve) => {
    let timer = setTimeout(() => end('silent'), ANSWER_MILLISECONDS);
    const end = (outcome: Error | 'closed' | 'silent' | undefined) => {
      clearTimeout(timer);
      resolve(outcome);
      socket.destroy();
    };
    socket
      .on('error', end)
      .on('close', () => end('closed'))
      .once(event, () => {
        clearTimeout(timer);
        if (afterwardsMilliseconds === 0) end(undefined);
        else timer = setTimeout(() => end(undefined), afterwardsMilliseconds);
      })
      // What a server says is read, or its end would not be seen.
      .resume();
  });
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}

function unreachable(error: Error): string {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return 'nobody listens there';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'no host of this name is known here';
    default:
      return error.message;
  }
}

function handshakeProblem(error: Error, tls: TlsSettings): string {
  const code = codeOf(error);
  if (/^ERR_SSL_.*ALERT/.test(code)) return refusedClient(tls, (error as { reason?: string }).reason ?? code);
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return 'shows a certificate that has expired: whoever runs the server must renew it (or this machine has a wrong date)';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `shows a certificate for another name (${error.message}): correct the address, or say which name is meant by TEMPORAL_TLS_SERVER_NAME`;
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'CERT_SIGNATURE_FAILURE':
      return `shows a certificate from an authority that is not trusted here (${error.message}): name the authority's certificate by TEMPORAL_TLS_SERVER_CA_CERT_PATH`;
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'ECONNRESET':
      return NO_TLS;
    default:
      return `does not agree on TLS (${error.message})`;
  }
}

function refusedClient({ client }: TlsSettings, reason: string): string {
  const paths = 'TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH';
  if (client === undefined)
    return `does not let in a client without a certificate (${reason}): name one, and its key, by ${paths}`;
  const { subject, issuer, validFrom, validTo } = new X509Certificate(client.certificate);
  const shown = `${oneLine(subject)}, signed by ${oneLine(issuer)}`;
  const now = Date.now();
  if (Date.parse(validTo) < now)
    return `does not accept the client certificate (${shown}): it expired on ${validTo}. Renew it, and name the new one by ${paths}`;
  if (Date.parse(validFrom) > now)
    return `does not accept the client certificate (${shown}): it is valid from ${validFrom} on`;
  return `does not accept the client certificate (${shown}; ${reason}): it must come from an authority that the server trusts, or the namespace has; name another one by ${paths}`;
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}
