/** Sends a request in a form that the server takes, and finds that form out if the server refuses a parameter. */
import type { ChatAnswer } from './chat-answer.ts';
import { classifyFailure } from './classify-failure.ts';
import type { CompletionRequest } from './completion.ts';
import type { EndpointProfile } from './endpoint-profile.ts';
import { HttpFailure, ParameterRefused } from './http-failure.ts';
import {
  changeableParameters,
  type ChatBody,
  chatBody,
  formKey,
  mayRefuseName,
  namedParameters,
  type OptionalParameter,
  type RequestForm,
} from './request-form.ts';

export type SendBody = (body: ChatBody) => Promise<ChatAnswer>;

interface Sending {
  readonly profile: EndpointProfile;
  readonly model: string;
  readonly request: CompletionRequest;
  readonly send: SendBody;
  /** Whether a 500 without words may be a refusal, because the same request got it before. */
  readonly doubtsServerErrors: boolean;
}

/**
 * Sends a request with the parameters that the endpoint is known to take. If it refuses a request of a form that it has never
 * answered, the parameters that it names are changed, or, if it names none, those that can be changed; what it takes then
 * is remembered for all later requests. The first such request searches, and all others wait for its result.
 * @throws the errors of `send`; ParameterRefused if the request can't do without the parameter
 */
export async function sendInKnownForm(sending: Sending): Promise<ChatAnswer> {
  const { profile, model, request, send } = sending;
  for (;;) {
    const { refused } = profile;
    const body = chatBody(model, request, refused);
    const form = formKey(body);
    const searches = profile.searches(form);
    try {
      const answer = await send(body);
      profile.accept(form);
      return answer;
    } catch (error) {
      if (!(error instanceof HttpFailure) || !mayRefuseForm(sending, error, body)) throw error;
      await profile.whenSearched();
      request.signal?.throwIfAborted();
      if (profile.refused !== refused) continue;
      if (profile.searches(form) > searches) throw error;
      const found = await profile.search(form, () => new FormSearch(sending, refused).run(error));
      if (found === undefined) throw error;
      return found.answer;
    }
  }
}

/** Whether a failure may be about the form of the request, and not about its prompt. */
function mayRefuseForm(
  { profile, doubtsServerErrors }: Sending,
  failure: HttpFailure,
  body: ChatBody,
): boolean {
  if (!isRefusal(failure)) return false;
  const form = formKey(body);
  const { param } = failure;
  // Such a field is no quotation of the prompt. A gateway may have sent the requests before to another server.
  if (param !== undefined && changeableParameters(body).some((name) => name === param))
    return profile.mayBeSearched(form);
  if (profile.hasAccepted(form) || !profile.mayBeSearched(form)) return false;
  if (failure.status < 500 || namedParameters(failure, body).length > 0) return true;
  return doubtsServerErrors && profile.searches(form) === 0;
}

function isRefusal(failure: HttpFailure): boolean {
  if (failure.status === 500 || failure.status === 501) return true;
  const classified = classifyFailure(failure);
  return classified.kind === 'rejected' && classified.reason === 'bad-request';
}

interface FoundForm {
  readonly refused: RequestForm;
  readonly answer: ChatAnswer;
}

/** One search for a form that the server takes. */
class FormSearch {
  readonly #sending: Sending;
  #refused: RequestForm;

  constructor(sending: Sending, refused: RequestForm) {
    this.#sending = sending;
    this.#refused = refused;
  }

  /** @returns undefined if the server takes none, so that the prompt may be the cause */
  async run(first: HttpFailure): Promise<FoundForm | undefined> {
    let failure = first;
    const tried = new Set<OptionalParameter>();
    for (;;) {
      const body = this.#body(this.#refused);
      const named = namedParameters(failure, body);
      const changeable = changeableParameters(body).filter(
        (name) => name !== 'max_tokens' || mayRefuseName(failure),
      );
      const next = named.find((name) => changeable.includes(name) && !tried.has(name));
      if (next === undefined) {
        const isSampling = named[0] === 'temperature' || named[0] === 'top_p';
        if (isSampling && failure.status < 500) throw new ParameterRefused(failure, named[0]!);
        return named.length > 0 ? undefined : this.#searchAll(changeable);
      }
      tried.add(next);
      const result = await this.#attempt(withParameters(this.#refused, [next]));
      if ('answer' in result) return result;
      // Another refusal than before is about another parameter, so this one was refused too.
      if (comparable(result.failure) !== comparable(failure))
        this.#refused = withParameters(this.#refused, [next]);
      failure = result.failure;
    }
  }

  /** Changes everything that can be changed, and if that is taken, undoes each change that is not needed. */
  async #searchAll(changeable: readonly OptionalParameter[]): Promise<FoundForm | undefined> {
    const leftOut = changeable.filter((name) => name !== 'max_tokens');
    for (const names of [leftOut, changeable]) {
      if (names.length === 0 || (names === changeable && leftOut.length === changeable.length)) continue;
      const all = await this.#attempt(withParameters(this.#refused, names));
      if (!('answer' in all)) continue;
      let found = all;
      for (const name of names.length === 1 ? [] : names) {
        const fewer = new Set([...found.refused].filter((other) => other !== name));
        const result = await this.#attempt(fewer).catch(() => undefined);
        if (result !== undefined && 'answer' in result) found = result;
      }
      return found;
    }
    return undefined;
  }

  async #attempt(refused: RequestForm): Promise<FoundForm | { readonly failure: HttpFailure }> {
    try {
      return { refused, answer: await this.#sending.send(this.#body(refused)) };
    } catch (error) {
      if (error instanceof HttpFailure && isRefusal(error)) return { failure: error };
      throw error;
    }
  }

  #body(refused: RequestForm): ChatBody {
    return chatBody(this.#sending.model, this.#sending.request, refused);
  }
}

function withParameters(refused: RequestForm, names: readonly OptionalParameter[]): RequestForm {
  return new Set([...refused, ...names]);
}

/** The text of a failure without numbers, which may count requests. */
function comparable({ words }: HttpFailure): string {
  return words.replaceAll(/[\da-f-]{8,}|\d+/gi, '#');
}
