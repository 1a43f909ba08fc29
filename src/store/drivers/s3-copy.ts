/** Copies an object within a bucket, in parts if it is large. */
import type * as Sdk from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { forEachConcurrently } from '../../platform/for-each-concurrently.ts';

/** The largest object that S3 copies by one request. */
export const LARGEST_COPY_BYTES = 5 * 2 ** 30;
/** S3 allows 10,000 parts: 5 TB, its largest object. */
const MAX_PART_BYTES = 512 * 2 ** 20;
const PARTS_AT_A_TIME = 4;

interface ObjectName {
  readonly Bucket: string;
  readonly Key: string;
}

/** @param largestCopyBytes larger objects are copied in parts of at most this size; replaced in tests */
export async function copyObject(
  client: S3Client,
  sdk: typeof Sdk,
  from: ObjectName,
  to: ObjectName,
  largestCopyBytes: number,
): Promise<void> {
  const { ContentLength: bytes = 0, ETag: version } = await client.send(new sdk.HeadObjectCommand(from));
  const source = {
    CopySource: `${from.Bucket}/${from.Key.split('/').map(encodeURIComponent).join('/')}`,
    CopySourceIfMatch: version,
  };
  if (bytes <= largestCopyBytes) {
    await client.send(new sdk.CopyObjectCommand({ ...to, ...source }));
    return;
  }
  const { UploadId } = await client.send(new sdk.CreateMultipartUploadCommand(to));
  try {
    const size = Math.min(largestCopyBytes, MAX_PART_BYTES);
    const parts = Array.from({ length: Math.ceil(bytes / size) }, (_, index) => ({
      PartNumber: index + 1,
      ETag: undefined as string | undefined,
    }));
    await forEachConcurrently(parts, PARTS_AT_A_TIME, async (part) => {
      const start = (part.PartNumber - 1) * size;
      const range = `bytes=${start}-${Math.min(start + size, bytes) - 1}`;
      const { CopyPartResult } = await client.send(
        new sdk.UploadPartCopyCommand({
          ...to,
          ...source,
          UploadId,
          PartNumber: part.PartNumber,
          CopySourceRange: range,
        }),
      );
      part.ETag = CopyPartResult?.ETag;
    });
    await client.send(
      new sdk.CompleteMultipartUploadCommand({ ...to, UploadId, MultipartUpload: { Parts: parts } }),
    );
  } catch (error) {
    // An upload that stays is garbage, which listIncomplete finds.
    await client.send(new sdk.AbortMultipartUploadCommand({ ...to, UploadId })).catch(() => undefined);
    throw error;
  }
}
