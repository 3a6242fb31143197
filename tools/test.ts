/** `npm test`: lint, types, then every test. The last line counts them all. */
import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fetchStarterModel } from '@secai/launcher';
import { buildAll } from './build.ts';
import { ensureSystemPackages } from './system-packages.ts';

const root = resolve(import.meta.dirname, '..');
const args = process.argv.slice(2);
const filters = args.filter((arg) => arg !== '--yes');
const tally = { passed: 0, failed: 0, skipped: 0 };

function bin(name: string): string {
  return join(root, 'node_modules', '.bin', name);
}

function exec(command: string, parameters: string[]): Promise<number> {
  return new Promise((done, reject) => {
    const child = spawn(command, parameters, { cwd: root, stdio: 'inherit' });
    process.once('disconnect', () => child.kill('SIGTERM'));
    child.once('error', reject).once('close', (code) => done(code ?? 1));
  });
}

async function step(title: string, command: string, parameters: string[]): Promise<void> {
  const started = performance.now();
  const ok = (await exec(command, parameters)) === 0;
  tally[ok ? 'passed' : 'failed']++;
  console.log(`${ok ? '✓' : '✗'} ${title} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
}

async function vitest(): Promise<void> {
  const report = join(root, 'out', 'vitest.json');
  await rm(report, { force: true });
  const code = await exec(bin('vitest'), [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...filters,
  ]);
  const json = await readFile(report, 'utf8').catch(() => null);
  if (json === null) {
    tally.failed++;
    return;
  }
  const result = JSON.parse(json) as {
    numPassedTests: number;
    numFailedTests: number;
    numPendingTests: number;
    numTodoTests: number;
    success: boolean;
  };
  tally.passed += result.numPassedTests;
  tally.failed += result.numFailedTests;
  tally.skipped += result.numPendingTests + result.numTodoTests;
  // A file that cannot be loaded, or an error outside any test, has no failed test of its own.
  if (code !== 0 && result.numFailedTests === 0) tally.failed++;
}

await mkdir(join(root, 'out'), { recursive: true });
await ensureSystemPackages(['chromium', 'postgresql', 'util-linux'], args.includes('--yes'));
await fetchStarterModel(join(root, '.cache', 'models'), () => undefined, new AbortController().signal);
await buildAll({ quiet: false });
if (filters.length === 0) {
  await step('lint and format', bin('biome'), ['check', '--error-on-warnings', '.']);
  await step('types', bin('tsc'), ['-p', 'tsconfig.json']);
  await step('types of the web app', bin('tsc'), ['-p', 'services/ui/web/tsconfig.json']);
}
await vitest();
process.disconnect?.();
process.exitCode = tally.failed === 0 && tally.passed > 0 ? 0 : 1;
console.log(`\n${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
