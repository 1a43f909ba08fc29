/** Failed HTTP requests, and what the bodies of servers say about them. */
import { isObject, type JsonObject } from '../../platform/is-object.ts';

/** The most characters of an error that are compared with known words. */
const MAX_COMPARED_CHARACTERS = 20_000;

interface FailureSource {
  readonly headers?: Headers | undefined;
  /** Describes an answer without quoting it. */
  readonly description?: (() => string) | undefined;
  /** Names the place of the error in the message. */
  readonly place?: string | undefined;
}

/**
 * The endpoint answered with an error: by the status of its answer, or inside an answer with status 200. The message quotes the text that
 * known APIs have in a field for it, and nothing of an answer without such a field.
 */
export class HttpFailure extends Error {
  readonly status: number;
  readonly headers: Headers | undefined;
  /** The codes and types of the error, for a comparison with known words. */
  readonly code: string;
  /** The parameter that the error names in a field of its own. */
  readonly param: string | undefined;
  /** All that the answer says, for a comparison with known words; not to be shown. */
  readonly words: string;
  /** The words of the answer, if the message does not quote them. */
  readonly unquoted: string | undefined;

  /** @param body the parsed JSON, or text */
  constructor(status: number, body: unknown, source: FailureSource = {}) {
    const { headers, description, place = `${status}` } = source;
    const { text, code, param } = readError(body);
    const isQuoted = text !== '' && status >= 400;
    const whole = asText(body);
    const shown = isQuoted
      ? text
      : whole.trim() === ''
        ? '(without a reason)'
        : `(${(description ?? noReason)()})`;
    super(`${place} ${shown}`);
    this.status = status;
    this.headers = headers;
    this.code = code;
    this.param = param;
    this.words = `${place} ${text === '' ? whole.slice(0, MAX_COMPARED_CHARACTERS) : text}`;
    this.unquoted = isQuoted || whole.trim() === '' ? undefined : whole;
  }
}

function noReason(): string {
  return 'without a reason';
}

/** The endpoint, or a proxy before it, names another address. The request is not sent there, because it has a key. */
export class Redirected extends Error {
  readonly target: string;

  constructor(status: number, target: string) {
    super(`${status}, which redirects to ${target}`);
    this.target = target;
  }
}

/** The endpoint streams its answer, although the request says `stream: false`. */
export class StreamedAnswer extends Error {}

/** The server refuses a parameter that the request can't do without. */
export class ParameterRefused extends Error {
  readonly parameter: string;

  constructor(failure: HttpFailure, parameter: string) {
    super(failure.message, { cause: failure });
    this.parameter = parameter;
  }
}

/** The error that an answer with status 200 contains: its code is taken for a status if it is one, else it is a fault of the server. */
export function failureInAnswer(body: unknown): HttpFailure {
  const error = asFields(asFields(body).error ?? body);
  const codes = [error.code, error.status, error.status_code, error.type];
  const status =
    codes.map(Number).find((code) => code >= 400 && code < 600) ??
    (codes.some((code) => /rate[ _-]?limit/i.test(String(code))) ? 429 : 502);
  return new HttpFailure(status, body, { place: `an error (${status}) in an answer with status 200:` });
}

interface ErrorFields {
  readonly text: string;
  readonly code: string;
  readonly param: string | undefined;
}

/**
 * Reads the shapes of OpenAI, FastAPI, Mistral, Google (a list), OpenRouter (the provider's own words in `metadata.raw`) and others. The
 * text is empty for any other shape.
 */
function readError(body: unknown): ErrorFields {
  const outer = asFields(Array.isArray(body) ? body[0] : body);
  const error = asFields(outer.error);
  const { raw, reasons } = asFields(error.metadata);
  const details =
    [error.message, outer.message, outer.detail].map(asDetails).find((list) => list !== undefined) ?? [];
  const said = [error.message, outer.error, outer.message, outer.detail, outer.msg, ...[outer.errors].flat()]
    .map((value) => (isObject(value) ? value.message : value))
    .find((value) => typeof value === 'string' && value !== '');
  const text = [
    details.length > 0 ? details.map(detailText).join('; ') : said,
    raw,
    ...(Array.isArray(reasons) ? reasons : [reasons]),
  ].filter((part) => typeof part === 'string' && part !== '');
  const codes = [error, outer].flatMap(({ code, type, status, error_type }) => [
    code,
    type,
    status,
    error_type,
  ]);
  const param = error.param ?? outer.param ?? lastName(details[0]?.loc);
  return {
    text: text.join(': '),
    code: codes.filter((code) => typeof code === 'string' || typeof code === 'number').join(' '),
    param: typeof param === 'string' && param !== '' ? param : undefined,
  };
}

/** FastAPI's list of problems, each with the place of the parameter (`loc`). */
function asDetails(value: unknown): readonly JsonObject[] | undefined {
  const list = Array.isArray(value) ? value : asFields(value).detail;
  return Array.isArray(list) && list.length > 0 && list.every((entry) => 'msg' in asFields(entry))
    ? list.map(asFields)
    : undefined;
}

function detailText({ loc, msg }: JsonObject): string {
  return `${Array.isArray(loc) ? `${loc.join('.')}: ` : ''}${typeof msg === 'string' ? msg : ''}`;
}

function lastName(place: unknown): unknown {
  return Array.isArray(place) ? place.findLast((name) => typeof name === 'string') : undefined;
}

/** The words of any answer. */
function asText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function asFields(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}
