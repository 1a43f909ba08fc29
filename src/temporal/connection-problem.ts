/** Diagnoses why a connection to Temporal fails by connecting to the address itself, because the SDK often gives no reason. */
import { X509Certificate } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TlsSettings } from './settings.ts';
import { PROGRAM_CALL } from '../platform/program.ts';

const ANSWER_MILLISECONDS = 5_000;
/** With TLS 1.3 a server rejects a client's certificate only after the handshake, a busy one after some seconds. */
const REFUSAL_MILLISECONDS = 3_000;

/**
 * A sentence that says why the server can't be reached and what to do; undefined if a connection succeeds. It takes at
 * most thirteen seconds.
 * @param connected aborted once another connection was made, so that there is nothing to diagnose
 */
export async function diagnoseConnection(
  address: string,
  tls: TlsSettings | undefined,
  connected: AbortSignal,
): Promise<string | undefined> {
  const reached = await outcomeOf(connectTcp(hostAndPort(address)), 'connect', 0);
  if (reached === undefined) {
    const problem =
      tls === undefined ? await problemWithoutTls(address) : await problemWithTls(address, tls, connected);
    return problem === undefined ? undefined : `The Temporal server at ${address} ${problem}.`;
  }
  return (
    `No Temporal server answers at ${address} (${reached instanceof Error ? unreachable(reached) : UNANSWERED}): start one with ` +
    `"${PROGRAM_CALL} temporal", or set TEMPORAL_ADDRESS or a profile of the Temporal CLI.`
  );
}

/** Checks only whether the server speaks TLS: no certificate is verified, and nothing is sent. */
async function problemWithoutTls(address: string): Promise<string | undefined> {
  const options = { ...targetOf(address, undefined), rejectUnauthorized: false };
  const outcome = await outcomeOf(connectTls(options), 'secureConnect', 0);
  const isTls = outcome === undefined || (outcome instanceof Error && /ALERT/.test(codeOf(outcome)));
  return isTls
    ? 'only accepts TLS: set TEMPORAL_TLS=true, or tls in the profile, and the certificate or API key that the server requires'
    : undefined;
}

async function problemWithTls(
  address: string,
  tls: TlsSettings,
  connected: AbortSignal,
): Promise<string | undefined> {
  if (connected.aborted) return undefined;
  const socket = connectTls({
    ...targetOf(address, tls.serverName),
    ...(tls.serverAuthority && { ca: tls.serverAuthority }),
    ...(tls.client && { cert: tls.client.certificate, key: tls.client.key }),
  });
  let isAccepted = false;
  socket.once('secureConnect', () => (isAccepted = true));
  const failure = await outcomeOf(socket, 'secureConnect', REFUSAL_MILLISECONDS, connected);
  if (failure === undefined) return undefined;
  if (failure === 'closed')
    return isAccepted ? refusedClient(tls, 'it closes the connection after the handshake') : NO_TLS;
  if (failure === 'silent') return `does not answer: ${UNANSWERED}`;
  return handshakeProblem(failure, tls);
}

/** The target of a TLS connection. An IP address is not sent as a server name. */
function targetOf(address: string, serverName: string | undefined) {
  const { host, port } = hostAndPort(address);
  return { host, port, servername: serverName ?? (isIP(host) === 0 ? host : ''), ALPNProtocols: ['h2'] };
}

function hostAndPort(address: string): { host: string; port: number } {
  const [, host = '', port = '7233'] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(address) ?? [];
  return { host, port: Number(port) };
}

const UNANSWERED = `there was no answer within ${ANSWER_MILLISECONDS / 1000} seconds; a firewall may block the connection`;
const NO_TLS =
  'does not use TLS: set TEMPORAL_TLS=false if that is intended (with an API key, TLS is the default)';

/** Waits for an event, and then for some time: undefined if neither an error nor the end of the connection follows it. */
function outcomeOf(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  afterwardsMilliseconds: number,
  unneeded?: AbortSignal,
): Promise<Error | 'closed' | 'silent' | undefined> {
  return new Promise((resolve) => {
    let timer = setTimeout(() => end('silent'), ANSWER_MILLISECONDS);
    const end = (outcome: Error | 'closed' | 'silent' | undefined) => {
      clearTimeout(timer);
      resolve(outcome);
      socket.destroy();
    };
    unneeded?.addEventListener('abort', () => end(undefined), { once: true });
    socket
      .on('error', end)
      .on('close', () => end('closed'))
      .once(event, () => {
        clearTimeout(timer);
        if (afterwardsMilliseconds === 0) end(undefined);
        else timer = setTimeout(() => end(undefined), afterwardsMilliseconds);
      })
      // Without reading, the end of the connection would not be noticed.
      .resume();
  });
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}

function unreachable(error: Error): string {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return 'no program listens there';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return "this machine can't resolve the host name";
    default:
      return error.message;
  }
}

function handshakeProblem(error: Error, tls: TlsSettings): string {
  const code = codeOf(error);
  if (/^ERR_SSL_.*ALERT/.test(code)) return refusedClient(tls, (error as { reason?: string }).reason ?? code);
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return 'has an expired certificate: its operator must renew it (or the date of this machine is wrong)';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `has a certificate for another name (${error.message}): correct the address, or set the expected name with TEMPORAL_TLS_SERVER_NAME`;
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'CERT_SIGNATURE_FAILURE':
      return `has a certificate from an authority that this machine does not trust (${error.message}): name the authority's certificate with TEMPORAL_TLS_SERVER_CA_CERT_PATH`;
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'ECONNRESET':
      return NO_TLS;
    default:
      return `fails in the TLS handshake (${error.message})`;
  }
}

function refusedClient({ client }: TlsSettings, reason: string): string {
  const paths = 'TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH';
  if (client === undefined)
    return `rejects a client without a certificate (${reason}): name one and its key with ${paths}`;
  const { subject, issuer, validFrom, validTo } = new X509Certificate(client.certificate);
  const shown = `${oneLine(subject)}, signed by ${oneLine(issuer)}`;
  const now = Date.now();
  if (Date.parse(validTo) < now)
    return `does not accept the client certificate (${shown}): it expired on ${validTo}. Renew it, and name the new one with ${paths}`;
  if (Date.parse(validFrom) > now)
    return `does not accept the client certificate (${shown}): it is only valid from ${validFrom}`;
  return `does not accept the client certificate (${shown}; ${reason}): it must come from an authority that the server or the namespace trusts; name another one with ${paths}`;
}

function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}
