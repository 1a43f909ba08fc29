import { StorageUnavailable } from '../../platform/file-system.ts';

const ACCESS_KEY_UNKNOWN =
  'the server does not know the access key. Correct AWS_ACCESS_KEY_ID or the profile';

const NO_REGION =
  'there is no region. Set AWS_REGION, also for a server of your own (any name, such as us-east-1)';

const FULL = 'the server is full. Free some space';
const QUOTA = 'the quota of the bucket is used up. Free some space, or raise the quota';

/** The problem and the advice by the error's name, in the words of S3 servers, or the code of the operating system. */
const ADVICE_BY_NAME: Readonly<Record<string, string>> = {
  NoSuchBucket: 'there is no such bucket. Create it, or correct the address',
  InvalidAccessKeyId: ACCESS_KEY_UNKNOWN,
  // The name of versitygw, with the status 404.
  XAdminUserNotFound: ACCESS_KEY_UNKNOWN,
  SignatureDoesNotMatch: 'the secret key is wrong. Correct AWS_SECRET_ACCESS_KEY or the profile',
  AccessDenied:
    'these credentials may not do that. Allow s3:GetObject, s3:PutObject, s3:DeleteObject, s3:ListBucket, s3:AbortMultipartUpload and s3:ListBucketMultipartUploads on the bucket',
  ExpiredToken: 'the credentials have expired. Renew them',
  CredentialsProviderError:
    'there are no credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role',
  AuthorizationHeaderMalformed: 'the region is wrong. Correct AWS_REGION',
  PermanentRedirect: 'the bucket is in another region. Correct AWS_REGION',
  QuotaExceeded: QUOTA,
  XMinioAdminBucketQuotaExceeded: QUOTA,
  XMinioStorageFull: FULL,
  InsufficientStorage: FULL,
  SlowDown: 'the server asks for fewer requests, also after several pauses. Run fewer shards at a time',
  ENOTFOUND: 'the host of the endpoint is unknown. Correct AWS_ENDPOINT_URL_S3, or for Amazon S3 AWS_REGION',
  ECONNREFUSED: 'nothing listens at the endpoint. Start the server, or correct AWS_ENDPOINT_URL_S3',
  EAI_AGAIN: 'the host of the endpoint cannot be looked up at the moment. Check the network',
  ETIMEDOUT: 'the endpoint does not answer. Check the network, or correct AWS_ENDPOINT_URL_S3',
  TimeoutError: 'the endpoint does not answer. Check the network, or correct AWS_ENDPOINT_URL_S3',
  ECONNRESET: 'the endpoint breaks connections off. Check the network and the server',
};

/**
 * StorageUnavailable with one sentence in place of an error of S3 or the network that a user can mend. Other errors are
 * returned as they are.
 * @param address the store's, `s3://BUCKET/PREFIX`
 */
export function explainS3Error(error: unknown, address: string): unknown {
  if (!(error instanceof Error) || error instanceof StorageUnavailable) return error;
  const status = statusOf(error);
  const { code = '' } = error as NodeJS.ErrnoException;
  const advice =
    ADVICE_BY_NAME[error.name] ??
    ADVICE_BY_NAME[code] ??
    (error.message === 'Region is missing' ? NO_REGION : adviceByStatus(status));
  if (advice === undefined) return error;
  const isFull = advice === FULL || advice === QUOTA;
  return new StorageUnavailable(`${address}: ${advice}`, { cause: error, isFull });
}

/** A HEAD request is answered without the error's name. */
function adviceByStatus(status: number | undefined): string | undefined {
  if (status === 301) return ADVICE_BY_NAME['PermanentRedirect'];
  if (status === 403) return ADVICE_BY_NAME['AccessDenied'];
  if (status === 503) return ADVICE_BY_NAME['SlowDown'];
  if (status === 507) return ADVICE_BY_NAME['InsufficientStorage'];
  return status !== undefined && status >= 500
    ? `the server answers with status ${status}. Look at its log`
    : undefined;
}

/** The status of an S3 server's answer, if an error is one. */
export function statusOf(error: unknown): number | undefined {
  const { $metadata } = error as { readonly $metadata?: { readonly httpStatusCode?: number } };
  return $metadata?.httpStatusCode;
}
