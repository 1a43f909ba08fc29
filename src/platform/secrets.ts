/**
 * The secrets of this process: keys of endpoints, of the hub, of buckets, of trackers and of Temporal. They are hidden in every text
 * that leaves the process, in each form in which an endpoint may echo them. One list for the process, because its log, its
 * output and its failures must hide a key no matter which part of the program has read it.
 */

/** Shown in place of a secret. */
const MASK = '[key]';
/** A shorter value is a word that texts contain ("none", "EMPTY"): it is hidden only behind the name of its scheme. */
const MIN_LENGTH = 8;

/** Ends the names of variables that contain keys: `JUDGE_KEY`, `HF_TOKEN`, `OTEL_EXPORTER_OTLP_HEADERS`. */
const KEY_ENDINGS = 'API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|AUTHORIZATION|HEADERS';

/** Matches the names of variables that contain keys. */
export const KEY_NAME = new RegExp(`(^|_)(${KEY_ENDINGS})$`, 'i');

/** Matches also the names that only the settings of connections have. */
const SECRET_NAME = new RegExp(`(^|_)(${KEY_ENDINGS}|KEY_DATA|PASSPHRASE)$|^TEMPORAL_GRPC_META_`, 'i');

const secrets = new Set<string>();
/** Longest first: a secret may contain another one. */
let forms: readonly string[] = [];
/** Base64 of a secret without the characters that depend on the text around it. */
let base64Forms: readonly string[] = [];

/** Hides a value from now on, wherever it was read. */
export function addSecret(value: string | undefined): void {
  const secret = value?.trim() ?? '';
  if (secret === '' || secrets.has(secret)) return;
  secrets.add(secret);
  const all = [...secrets];
  const long = all.filter(({ length }) => length >= MIN_LENGTH);
  const short = all.filter(({ length }) => length < MIN_LENGTH).map((each) => `Bearer ${each}`);
  forms = [...new Set([...long.flatMap(textForms), ...short])].toSorted((a, b) => b.length - a.length);
  base64Forms = [...new Set(long.flatMap(base64FormsOf))];
}

/** Hides the values of all variables that are named like keys, and the passwords in addresses. */
export function addSecretsOf(environment: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value = ''] of Object.entries(environment)) {
    for (const [, password = ''] of value.matchAll(/:\/\/[^/@:\s]*:([^/@\s]+)@/g))
      if (password.length >= MIN_LENGTH) [password, decoded(password)].forEach(addSecret);
    if (value.trim().length >= MIN_LENGTH && SECRET_NAME.test(name)) partsOf(value).forEach(addSecret);
  }
}

/** A value, the values of a list of headers, and the lines of a PEM text. */
function partsOf(value: string): string[] {
  const headers = value.split(/[,;\n]/).flatMap((header) => /^\s*[\w-]+\s*[=:](.+)$/.exec(header)?.[1] ?? []);
  const credentials = [value, ...headers]
    .map((text) => decoded(text.trim()))
    .flatMap((text) => /^(?:Bearer|Basic)\s+(\S+)$/i.exec(text)?.[1] ?? []);
  const lines = value.startsWith('-----BEGIN')
    ? value.split('\n').filter((line) => !line.startsWith('--'))
    : [];
  const parts = [...headers, ...headers.map(decoded), ...credentials, ...lines];
  return [value, ...parts.filter((part) => part.trim().length >= MIN_LENGTH)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Removes the secrets of this process from a text. */
export function maskSecrets(text: string): string {
  let masked = text;
  for (const form of forms) if (masked.includes(form)) masked = masked.replaceAll(form, MASK);
  for (const form of base64Forms) masked = maskBase64(masked, form);
  return masked;
}

/** Removes the secrets from the texts of a JSON document. */
export function maskSecretsInJson(json: string, indent?: number): string {
  if (maskSecrets(json) === json) return json;
  return JSON.stringify(mapStrings(JSON.parse(json), maskSecrets), undefined, indent);
}

/** A value of JSON with all its texts changed, the names of its fields too. */
export function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((each: unknown) => mapStrings(each, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [change(name), mapStrings(each, change)]),
  );
}

/** As it is, and as it is in an address, in a form, in JSON, in JSON within JSON, in HTML, and in hexadecimal. */
function textForms(secret: string): string[] {
  const inJson = JSON.stringify(secret).slice(1, -1);
  const inUrl = encodeURIComponent(secret.toWellFormed());
  const bytes = [...Buffer.from(secret)].map((byte) => byte.toString(16).padStart(2, '0'));
  const inHtml = secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return [
    ...[secret, inJson, JSON.stringify(inJson).slice(1, -1), inUrl, inUrl.replaceAll('%20', '+')],
    inUrl.replaceAll(/%../g, (escape) => escape.toLowerCase()),
    ...[inHtml, inHtml.replaceAll('"', '&quot;').replaceAll("'", '&#39;')],
    ...['', ' ', ':', '\\x', '%'].flatMap((mark) => {
      const hex =
        mark.length === 1 && mark !== '%' ? bytes.join(mark) : bytes.map((byte) => mark + byte).join('');
      return [hex, hex.toUpperCase()];
    }),
  ];
}

/** The characters of base64, also with the alphabet of addresses, that only the secret decides: for each of its three alignments. */
function base64FormsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [0, 1, 2].flatMap((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const own = encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
    return [own, own.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

/** Hides a whole run of base64 that contains the secret: the characters at its ends hold some of its bits. */
function maskBase64(text: string, form: string): string {
  let masked = text;
  for (let at = masked.indexOf(form); at !== -1; at = masked.indexOf(form, at)) {
    let end = at + form.length;
    while (end < masked.length && BASE64.test(masked.charAt(end))) end++;
    while (at > 0 && BASE64.test(masked.charAt(at - 1))) at--;
    masked = `${masked.slice(0, at)}${MASK}${masked.slice(end)}`;
    at += MASK.length;
  }
  return masked;
}

const BASE64 = /[A-Za-z0-9+/_=-]/;
