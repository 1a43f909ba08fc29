import assert from 'node:assert/strict';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { formatClientError } from '../../src/cli/format-client-error.ts';

describe('formatClientError', () => {
  const shown = (message: string) =>
    formatClientError(
      new WorkflowFailedError('failed', ApplicationFailure.nonRetryable(message), 'NON_RETRYABLE_FAILURE'),
    )?.message;

  it('makes a sentence of a message', () =>
    assert.equal(shown("the server doesn't answer"), "The server doesn't answer."));

  it('leaves names of artifacts, fields and addresses as they are', () => {
    for (const message of [
      'own-pairs/iteration-0/evaluation was made with other inputs.',
      'own/pairs was made with other inputs.',
      'judging.samples: missing.',
      'https://host/v1 redirects.',
    ])
      assert.equal(shown(message), message);
  });
});
