/** Failed HTTP requests, and what the bodies of servers say about them. */
import { isObject, type JsonObject } from '../../platform/is-object.ts';

/** The endpoint answered with an error: by the status of its answer, or inside an answer with status 200. */
export class HttpFailure extends Error {
  readonly status: number;
  readonly headers: Headers | undefined;
  /** The codes and types of the error, for a comparison with known words. */
  readonly code: string;
  /** The parameter that the error names in a field of its own. */
  readonly param: string | undefined;

  /**
   * @param body the parsed JSON, or text
   * @param place of the error in the message
   */
  constructor(status: number, body: unknown, headers?: Headers, place = `${status}`) {
    const { text, code, param } = readError(body);
    super(`${place} ${text === '' ? '(without a reason)' : text}`);
    this.status = status;
    this.headers = headers;
    this.code = code;
    this.param = param;
  }
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
  return new HttpFailure(status, body, undefined, `an error (${status}) in an answer with status 200:`);
}

interface ErrorFields {
  readonly text: string;
  readonly code: string;
  readonly param: string | undefined;
}

/** Reads the shapes of OpenAI, FastAPI, Mistral, Google (a list), OpenRouter (the provider's own words in `metadata.raw`) and others. */
function readError(body: unknown): ErrorFields {
  if (typeof body === 'string') return { text: body, code: '', param: undefined };
  const outer = asFields(Array.isArray(body) ? body[0] : body);
  const error = asFields(outer.error);
  const message =
    error.message ??
    (typeof outer.error === 'string' ? outer.error : undefined) ??
    outer.message ??
    outer.detail;
  const { raw, reasons } = asFields(error.metadata);
  const details = asDetails(message) ?? asDetails(outer.detail) ?? [];
  const text = [
    details.length > 0
      ? details.map(detailText).join('; ')
      : asText(message ?? outer.msg ?? outer.errors ?? body),
    ...[raw, reasons].flatMap((more) => (more === undefined || more === null ? [] : [asText(more)])),
  ];
  const codes = [error, outer].flatMap(({ code, type, status, error_type }) => [
    code,
    type,
    status,
    error_type,
  ]);
  const param = error.param ?? outer.param ?? lastName(details[0]?.loc);
  return {
    text: text.filter((part) => part !== '').join(': '),
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
  return `${Array.isArray(loc) ? `${loc.join('.')}: ` : ''}${asText(msg)}`;
}

function lastName(place: unknown): unknown {
  return Array.isArray(place) ? place.findLast((name) => typeof name === 'string') : undefined;
}

function asText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function asFields(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}
