export { type Checkpoint, signCheckpoint, type TreeHead, verifyCheckpoint } from './checkpoint.ts';
export { AuditError, type AuditErrorCode, type BadPlace, describePlace } from './error.ts';
export { type Appended, type AuditLog, type AuditLogOptions, openAuditLog } from './log.ts';
export { openNote, signNote } from './note.ts';
export { type ConsistencyClaim, type InclusionClaim, verifyConsistency, verifyInclusion } from './proofs.ts';
export { type ReadOptions, readAuditLog, readAuditSize } from './read.ts';
export type { AuditRecord } from './record.ts';
export type { Recovery } from './recover.ts';
export { type VerifyOptions, type VerifyResult, verifyAuditLog } from './verify.ts';
