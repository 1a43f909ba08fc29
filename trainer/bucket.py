"""Objects in a bucket of an S3 server, for jobs with addresses such as `s3://judges/team-a/runs/x`.

Credentials, region, profile and endpoint come from the environment, the files of the AWS SDK or the machine's role, as in
src/store/drivers/s3.ts. Only this module uses an S3 library, and it is imported only for an address. Failures that a user
can fix are raised as StorageUnavailable.
"""

import contextlib
import errno
import functools
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import boto3
import s3transfer.manager
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import RetriesExceededError
from s3transfer.subscribers import BaseSubscriber
from urllib3.exceptions import HTTPError

from trainer.bucket_errors import explain, is_missing, status_of
from trainer.errors import ConfigurationError, Stopped
from trainer.files import ADDRESS

# Requests that a loop repeats anyway must fail soon; all others wait out a server that asks to slow down.
ATTEMPTS = {'patient': 8, 'quick': 2}
READ_SECONDS = {'patient': 60, 'quick': 10}
READ_ATTEMPTS = 5
CONFLICT_ATTEMPTS = 20
PART_BYTES = 32 * 2**20
PUT_ID = 'put-id'
DELETES_AT_A_TIME = 8


class Bucket:
    """The objects below an address. Keys are relative to it."""

    def __init__(self, address, patience='patient'):
        self.address = address.rstrip('/')
        name, _, self._prefix = self.address.removeprefix(ADDRESS).partition('/')
        if not name:
            raise ConfigurationError(f'{address} names no bucket: give s3://BUCKET or s3://BUCKET/PREFIX')
        self._name = name
        with self._explained():
            self._client = client(patience)

    def locate(self, key):
        return f'{self.address}/{key}'

    def get(self, key):
        """`(content, version)` of an object; None if there is none."""
        for attempt in range(READ_ATTEMPTS):
            try:
                with self._explained():
                    answer = self._client.get_object(**self._object(key))
            except FileNotFoundError:
                return None
            try:
                return answer['Body'].read(), answer['ETag']
            except (BotoCoreError, HTTPError) as error:  # the connection broke
                if attempt == READ_ATTEMPTS - 1:
                    raise explain(error, self.address) from error

    def put(self, key, content):
        """Creates or replaces an object. The content is text or bytes."""
        with self._explained():
            self._client.put_object(**self._object(key), Body=content)

    def put_if(self, key, content, version, put_id=None):
        """Creates an object (`version` None), or replaces one that has this version. Returns the new version; None if the
        condition does not hold. An object that was put with the same `put_id` is this caller's own: the answer to that
        put was lost."""
        condition = {'IfNoneMatch': '*'} if version is None else {'IfMatch': version}
        put_id = put_id or uuid.uuid4().hex
        with self._explained():
            for attempt in range(CONFLICT_ATTEMPTS):
                try:
                    put = self._client.put_object(
                        **self._object(key), Body=content, Metadata={PUT_ID: put_id}, **condition
                    )
                    return put['ETag']
                except ClientError as error:
                    if status_of(error) == 409 and attempt < CONFLICT_ATTEMPTS - 1:
                        time.sleep(0.05 * (attempt + 1))  # another conditional put is under way, and may fail
                        continue
                    if status_of(error) not in (409, 412) and not is_missing(error):
                        raise
                existing = self._head(key)
                return existing['ETag'] if existing and existing['Metadata'].get(PUT_ID) == put_id else None

    def delete(self, *keys):
        with self._explained(), ThreadPoolExecutor(DELETES_AT_A_TIME) as pool:
            list(pool.map(lambda key: self._client.delete_object(**self._object(key)), keys))

    def list(self, prefix=''):
        """`{key: bytes}` of all objects below a prefix, which is empty or ends with a slash."""
        start = self._key(prefix)
        cut = len(self._key(''))
        with self._explained():
            pages = self._client.get_paginator('list_objects_v2').paginate(Bucket=self._name, Prefix=start)
            return {each['Key'][cut:]: each['Size'] for page in pages for each in page.get('Contents', [])}

    def upload(self, files, progress=lambda: None):
        """Puts local files, `{key: path}`. `progress` is called after each part; an exception of it ends the upload."""
        self._transfer(
            progress,
            lambda manager, more: [
                manager.upload(path, self._name, self._key(key), **more) for key, path in files.items()
            ],
        )

    def download(self, files, progress=lambda: None):
        """Gets objects, `{key: path}`. The counterpart of `upload`."""
        for path in files.values():
            os.makedirs(os.path.dirname(path), exist_ok=True)
        self._transfer(
            progress,
            lambda manager, more: [
                manager.download(self._name, self._key(key), path, **more) for key, path in files.items()
            ],
        )

    def _transfer(self, progress, begin):
        ended_by = []

        class Subscriber(BaseSubscriber):
            def on_progress(self, future, **_):
                try:
                    progress()
                except Exception as error:
                    ended_by.append(error)
                    future.cancel()
                    if isinstance(error, Stopped):
                        raise  # so that the current request is not completed either

        config = s3transfer.manager.TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES)
        try:
            with self._explained(), s3transfer.manager.TransferManager(self._client, config) as manager:
                for transfer in begin(manager, {'subscribers': [Subscriber()]}):
                    transfer.result()
        except Exception:
            if ended_by:
                raise ended_by[0] from None
            raise

    def _head(self, key):
        try:
            return self._client.head_object(**self._object(key))
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def _object(self, key):
        return {'Bucket': self._name, 'Key': self._key(key)}

    def _key(self, key):
        return f'{self._prefix}/{key}' if self._prefix else key

    @contextlib.contextmanager
    def _explained(self):
        try:
            yield
        except RetriesExceededError as error:
            raise explain(error.last_exception, self.address) from error
        except (BotoCoreError, ClientError, ValueError) as error:
            if is_missing(error):
                raise FileNotFoundError(errno.ENOENT, 'no such object', self.address) from error
            raise explain(error, self.address) from error


def object_at(address, patience='patient'):
    """`(bucket, key)` of an object's full address."""
    place, _, key = address.rpartition('/')
    return Bucket(place, patience), key


session = functools.cache(boto3.session.Session)


@functools.cache
def client(patience):
    """The client of all buckets. Clients may be used by several threads, but only the first one makes them."""
    return session().client(
        's3',
        # The variable of the AWS SDK for JavaScript, which the rest of the product uses; boto3 reads another one.
        region_name=os.environ.get('AWS_REGION'),
        config=Config(
            retries={'mode': 'standard', 'total_max_attempts': ATTEMPTS[patience]},
            connect_timeout=5,
            read_timeout=READ_SECONDS[patience],
            max_pool_connections=32,
            # A server of one's own has no subdomain for each bucket, and Amazon accepts both.
            s3={'addressing_style': 'path'},
        ),
    )
