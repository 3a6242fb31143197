// First step of `npm start`, `npm test`, `npm run bench` and `npm run e2e:vm`. Plain JavaScript without dependencies,
// for any Node from 18 on: installs the packages, pins Node 24, then hands over to the TypeScript of the project.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stamp = join(root, 'node_modules', '.secai-installed');
const pinned = join(root, 'node_modules', 'node', 'bin', 'node');

const scripts = {
  start: ['tools/start.ts'],
  test: ['tools/test.ts'],
  bench: ['tests/bench/run.ts'],
  build: ['tools/build.ts'],
  'e2e:vm': ['image/vm/run.ts'],
};

/** What `node_modules` must match: the lock file and the place it was installed for. */
function wantedStamp() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return `${lock} ${process.platform}-${process.arch}\n`;
}

function installed() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wantedStamp() && existsSync(pinned);
}

/** Runs a program to its end with our terminal; resolves to its exit code. */
function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}

async function install() {
  console.log('Installing packages (once, about 700 MB; no install script of any package is run) …');
  const started = Date.now();
  // `npm install` and not `npm ci`: package mirrors may lack the optional binaries of other platforms, which `ci` takes
  // for a broken lock. Versions and hashes still come from the lock file, and --no-save leaves it as it is.
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const code = await run(npm, ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
  if (code !== 0) throw new Error('npm install failed; its messages are above');
  pinNode();
  writeFileSync(stamp, wantedStamp());
  console.log(`Packages installed in ${Math.round((Date.now() - started) / 1000)} s.`);
}

/** Does what the package `node` does in its install script, from the hash-pinned package of this platform. */
function pinNode() {
  const binary = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (!existsSync(binary))
    throw new Error(
      `there is no pinned Node 24 for ${process.platform}-${process.arch}; Linux on x64 and arm64 are supported`,
    );
  mkdirSync(dirname(pinned), { recursive: true });
  rmSync(pinned, { force: true });
  try {
    linkSync(binary, pinned);
  } catch {
    copyFileSync(binary, pinned);
  }
  const link = join(root, 'node_modules', '.bin', 'node');
  rmSync(link, { force: true });
  symlinkSync(join('..', 'node', 'bin', 'node'), link);
}

async function main() {
  const [name, ...args] = process.argv.slice(2);
  const script = scripts[name];
  if (!script) throw new Error(`usage: bootstrap.mjs ${Object.keys(scripts).join('|')}`);
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 18) throw new Error(`Node ${process.versions.node} is too old; install Node 20 or newer`);
  if (!installed()) await install();

  const child = spawn(pinned, ['--disable-warning=ExperimentalWarning', ...script, ...args], {
    cwd: root,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'], // the channel closes when we are killed, which tells the child to stop
    env: { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}` },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // Ctrl-C reaches the child through the terminal as well; a second signal does no harm.
    process.on(signal, () => child.kill(signal));
  }
  // npm and its shell do not hand a SIGKILL on: when the parent changes, whoever started us is gone.
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) child.kill('SIGTERM');
  }, 500).unref();
  const code = await new Promise((resolve) => child.once('close', (exit, signal) => resolve(exit ?? (signal ? 1 : 0))));
  process.exitCode = code;
}

main().catch((error) => {
  console.error(`\n${error.message}`);
  process.exitCode = 1;
});
