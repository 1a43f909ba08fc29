/** A server can't serve an adapter, or serves other weights. The same request again would not help. */
export class AdapterRefused extends Error {
  override readonly name = 'AdapterRefused';
  readonly reason: 'adapter-refused' | 'wrong-weights';

  constructor(message: string, reason: AdapterRefused['reason'] = 'adapter-refused') {
    super(message);
    this.reason = reason;
  }
}

/** A server gave no answer to a request about an adapter: it may have ended, or was started again. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';
}
