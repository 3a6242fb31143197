export interface Row {
  what: string;
  measured: string;
  wanted: string;
  how: string;
}

/** The value below which `fraction` of the numbers lie. */
export function quantile(numbers: number[], fraction: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))]!;
}

export const median = (numbers: number[]): number => quantile(numbers, 0.5);
