import { RULES, type RuleId } from './rules.ts';
import type { Finding, ScanStage, Severity, StageVerdict } from './types.ts';

const REJECTING: ReadonlySet<Severity> = new Set(['high', 'critical']);

/** Whether a finding rejects the file. */
export function isRejecting(finding: Pick<Finding, 'severity'>): boolean {
  return REJECTING.has(finding.severity);
}

/** Collects findings; of each rule and severity only the first `maxPerRule` are kept, so a hostile file cannot fill memory. */
export class FindingList {
  readonly #findings: Finding[] = [];
  readonly #counts = new Map<string, number>();
  readonly #maxPerRule: number;

  constructor(maxPerRule: number) {
    this.#maxPerRule = maxPerRule;
  }

  /** Adds a finding with the rule's own severity unless the place makes it weigh less or more. */
  add(rule: RuleId, where: string, message: string, severity: Severity = RULES[rule].severity): void {
    const key = `${rule} ${severity}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    if (count <= this.#maxPerRule) {
      this.#findings.push({ rule, stage: RULES[rule].stage, severity, where: shown(where, 200), message });
    }
  }

  /** The findings in the order of discovery, each overflowing rule's last one saying how many more there were. */
  list(): Finding[] {
    const last = new Map<string, Finding>();
    for (const finding of this.#findings) last.set(`${finding.rule} ${finding.severity}`, finding);
    return this.#findings.map((finding) => {
      const key = `${finding.rule} ${finding.severity}`;
      const more = (this.#counts.get(key) ?? 0) - this.#maxPerRule;
      return more > 0 && last.get(key) === finding
        ? { ...finding, message: `${finding.message} (and ${more} more like this)` }
        : finding;
    });
  }

  verdict(stage: ScanStage): StageVerdict {
    return this.#findings.some((finding) => finding.stage === stage && isRejecting(finding)) ? 'fail' : 'pass';
  }
}

/** A text from a file, made safe to show: cut to `max` characters, everything invisible or deceptive escaped. */
export function shown(text: string, max = 80): string {
  const cut = text.length > max ? `${text.slice(0, max)}…` : text;
  return cut.replace(/[\p{C}\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
}
