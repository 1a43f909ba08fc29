"""Errors of S3 servers in one sentence that says what to do, as src/store/drivers/s3-errors.ts does."""

from trainer.errors import StorageUnavailable

MISSING = ('NoSuchKey', 'NotFound', '404')

ACCESS_KEY_UNKNOWN = 'the server does not know the access key. Correct AWS_ACCESS_KEY_ID or the profile'
REGION_WRONG = 'the region is wrong. Correct AWS_REGION'
FULL = 'the server is full. Free some space'
SILENT = 'the endpoint does not answer. Check the network, or correct AWS_ENDPOINT_URL_S3'
EXPIRED = 'the credentials have expired. Renew them'
BROKEN = 'the endpoint breaks connections off. Check the network and the server'

# By the code of the server's answer, or the class of botocore's exception: whatever stays until somebody changes it.
PERMANENT = {
    'NoSuchBucket': 'there is no such bucket. Create it, or correct the address',
    'InvalidBucketName': 'the name of the bucket is invalid. Correct the address',
    'InvalidAccessKeyId': ACCESS_KEY_UNKNOWN,
    'XAdminUserNotFound': ACCESS_KEY_UNKNOWN,  # of versitygw
    'SignatureDoesNotMatch': 'the secret key is wrong. Correct AWS_SECRET_ACCESS_KEY or the profile',
    'AccessDenied': 'these credentials may not do that. Allow s3:GetObject, s3:PutObject, s3:DeleteObject, s3:ListBucket '
    'and s3:AbortMultipartUpload on the bucket',
    'AuthorizationHeaderMalformed': REGION_WRONG,
    'PermanentRedirect': 'the bucket is in another region. Correct AWS_REGION',
    'InvalidRegionError': REGION_WRONG,
    'NoCredentialsError': 'there are no credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or '
    'give the machine a role',
    'PartialCredentialsError': 'the credentials are incomplete. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    'ProfileNotFound': 'there is no such profile. Correct AWS_PROFILE',
    'InvalidEndpoint': 'the endpoint is no URL. Correct AWS_ENDPOINT_URL_S3',
}
# Whatever may pass by itself, or by an action outside this machine.
PASSING = {
    'ExpiredToken': EXPIRED,
    'ExpiredTokenException': EXPIRED,
    'TokenRefreshRequired': EXPIRED,
    'SSOTokenLoadError': EXPIRED,
    'UnauthorizedSSOTokenError': EXPIRED,
    'TokenRetrievalError': EXPIRED,
    'CredentialRetrievalError': 'the credentials cannot be had at the moment. Check the role or the profile',
    'RequestTimeTooSkewed': "this machine's clock is wrong. Set it",
    'QuotaExceeded': 'the quota of the bucket is used up. Free some space, or raise the quota',
    'XMinioStorageFull': FULL,
    'InsufficientStorage': FULL,
    'SlowDown': 'the server asks for fewer requests, also after several pauses',
    'EndpointConnectionError': 'nothing listens at the endpoint, or its host is unknown. Start the server, or correct '
    'AWS_ENDPOINT_URL_S3',
    'ConnectTimeoutError': SILENT,
    'ReadTimeoutError': SILENT,
    'ConnectionClosedError': BROKEN,
    'ResponseStreamingError': BROKEN,
    'IncompleteReadError': BROKEN,
    'ProtocolError': BROKEN,
    'SSLError': 'the endpoint has no valid certificate. Set AWS_CA_BUNDLE, or correct AWS_ENDPOINT_URL_S3',
}
# A HEAD request is answered without a code.
BY_STATUS = {301: 'PermanentRedirect', 403: 'AccessDenied', 503: 'SlowDown', 507: 'InsufficientStorage'}


def explain(error, address):
    """StorageUnavailable in place of an error of S3 or of the network. Any other error is returned as it is."""
    if isinstance(error, StorageUnavailable):
        return error
    status = status_of(error)
    names = [code_of(error), *(each.__name__ for each in type(error).__mro__), BY_STATUS.get(status)]
    for name in names:
        for advice, is_permanent in ((PERMANENT, True), (PASSING, False)):
            if name in advice:
                return StorageUnavailable(f'{address}: {advice[name]}', is_permanent)
    if status is None and not type(error).__module__.startswith(('botocore', 'urllib3')):
        return error
    # The texts of botocore contain no credentials.
    text = f'the server answers with status {status}' if status else f'{type(error).__name__}: {error}'
    return StorageUnavailable(f'{address}: {text}', is_permanent=False)


def code_of(error):
    if isinstance(error, ValueError) and str(error).startswith('Invalid endpoint'):
        return 'InvalidEndpoint'
    return answer(error).get('Error', {}).get('Code')


def status_of(error):
    return answer(error).get('ResponseMetadata', {}).get('HTTPStatusCode')


def answer(error):
    """The server's answer; empty for an error without one."""
    return getattr(error, 'response', None) or {}


def is_missing(error):
    return code_of(error) in MISSING
