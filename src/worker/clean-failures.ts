/** Cleans what an activity hands to Temporal: no key, no control characters, and in a failure nothing that an unforeseen error quotes. */
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { quote } from '../platform/quotes.ts';
import { mapStrings, maskSecrets, maskSecretsInJson } from '../platform/secrets.ts';
import { safeLines } from '../platform/shown-text.ts';

const MAX_CAUSES = 10;

export const cleanFailures: ActivityInterceptorsFactory = () => ({
  inbound: {
    async execute(input, next) {
      let result: unknown;
      try {
        result = await next(input);
      } catch (error) {
        cleanFailure(error);
        throw error;
      }
      const json = JSON.stringify(result) as string | undefined;
      return json === undefined || maskSecrets(json) === json ? result : JSON.parse(maskSecretsInJson(json));
    },
  },
});

/** Cleans message, stack and details of an error and of its causes, in place: their classes and fields matter to Temporal. */
function cleanFailure(error: unknown): void {
  for (
    let cause = error, depth = 0;
    cause instanceof Error && depth < MAX_CAUSES;
    cause = cause.cause, depth++
  ) {
    const { message, stack } = cause;
    const shown = shownMessage(cause);
    if (shown !== message) cause.message = shown;
    if (stack !== undefined) cause.stack = safeLines(maskSecrets(stack.replace(message, () => shown)));
    if (cause instanceof ApplicationFailure && cause.details)
      Object.assign(cause, {
        details: cause.details.map((detail) => mapStrings(detail, (text) => safeLines(maskSecrets(text)))),
      });
  }
}

/** An error of the language may quote anything: `JSON.parse` the text that it reads, for example. */
function shownMessage(error: Error): string {
  const isOfTheLanguage = [SyntaxError, TypeError, RangeError].some((type) => error instanceof type);
  return isOfTheLanguage ? quote(error.message) : safeLines(maskSecrets(error.message));
}
