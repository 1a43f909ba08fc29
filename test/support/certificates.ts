/** Creates certificates for tests: an authority and certificates that it signs. Keys are on the curve P-256. */
import 'reflect-metadata';
import { KeyObject } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY = 86_400_000;

/** A certificate with its private key, each as PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** The usage of the certificate. */
  readonly usage: 'server' | 'client';
  /** DNS names and IP addresses of a server. */
  readonly names?: readonly x509.JsonGeneralName[];
  /** Days from now, negative for a certificate that has expired; 1 by default. */
  readonly days?: number;
}

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  issue(commonName: string, options: CertificateOptions): Promise<Identity>;
}

export async function createAuthority(commonName: string): Promise<Authority> {
  const keys = await generateKeys();
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`,
    keys,
    signingAlgorithm: ALGORITHM,
    ...validity(1),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  return {
    certificate: authority.toString('pem'),
    async issue(name, { usage, names = [], days = 1 }) {
      const own = await generateKeys();
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${name}`,
        issuer: authority.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        ...validity(days),
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([
            usage === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
          ]),
          ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...names])]),
        ],
      });
      return {
        certificate: certificate.toString('pem'),
        key: KeyObject.from(own.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString(),
      };
    },
  };
}

function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

function validity(days: number): { notBefore: Date; notAfter: Date } {
  const end = Date.now() + days * DAY;
  return { notBefore: new Date(end - 2 * DAY), notAfter: new Date(end) };
}
