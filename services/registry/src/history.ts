import { readAuditLog } from '@secai/audit';

/** What the audit log says about the manifests that were. */
export interface ManifestHistory {
  /** Digests that the manifest on disk may have: the last one known to be written, and the ones announced after it. */
  expected: ReadonlySet<string>;
  /** Highest version ever announced; 0 when none was. */
  version: number;
}

/**
 * Reads the manifest's history from the audit log, which is itself a signed tree. An older manifest with a good signature
 * (a replay, which would bring removed models back) is not in `expected`.
 */
export async function readManifestHistory(auditDir: string): Promise<ManifestHistory> {
  let expected = new Set<string>();
  let version = 0;
  for await (const record of readAuditLog({ dir: auditDir })) {
    const { event, manifest_digest: digest } = record;
    if (typeof digest !== 'string') continue;
    if (event === 'manifest_change') {
      expected.add(digest);
      version = Math.max(version, Number(record['version']));
    } else if (event === 'manifest_written') {
      expected = new Set([digest]);
    }
  }
  return { expected, version };
}
