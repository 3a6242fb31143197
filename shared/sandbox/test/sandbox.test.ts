import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probeSandbox, SandboxError, type SandboxOptions, spawnSandboxed } from '../src/index.ts';
import { commandLine } from '../src/methods.ts';
import { findSandbox } from '../src/probe.ts';

const NODE = realpathSync(process.execPath);
const MiB = 1 << 20;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'secai-sandbox-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(code: string, options: Partial<SandboxOptions> = {}) {
  const sandboxed = await spawnSandboxed({
    command: NODE,
    args: ['-e', code],
    readOnly: [],
    readWrite: [folder],
    network: false,
    memoryBytes: 256 * MiB,
    wallMs: 15_000,
    stdio: { stdout: 'pipe', stderr: 'pipe' },
    ...options,
  });
  let stdout = '';
  let stderr = '';
  sandboxed.child.stdout?.setEncoding('utf8').on('data', (text) => (stdout += text));
  sandboxed.child.stderr?.setEncoding('utf8').on('data', (text) => (stderr += text));
  const exit = await sandboxed.exited;
  return { exit, stdout, stderr, isolation: sandboxed.isolation };
}

/** Host processes whose command line holds `marker`, as seen in /proc. */
function processesWith(marker: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(marker);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function until(what: string, condition: () => boolean, deadlineMs = 5000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('network', () => {
  it('says what it can do here', async () => {
    const probe = await probeSandbox();
    expect(probe).toMatchObject({ available: true, network: 'none' });
  });

  it('reaches no listener on the host, no name server, no abstract socket', async () => {
    let connections = 0;
    const tcp = createServer((socket) => {
      connections += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    const abstract = createServer((socket) => {
      connections += 1;
      socket.destroy();
    }).listen(`\0secai-sandbox-${process.pid}`);
    await Promise.all([once(tcp, 'listening'), once(abstract, 'listening')]);
    const { port } = tcp.address() as { port: number };
    const { stdout, exit } = await run(`
      const net = require('node:net'), dns = require('node:dns'), os = require('node:os');
      const attempt = (options) => new Promise((resolve) => {
        const socket = net.connect(options, () => resolve('connected'));
        socket.on('error', (error) => resolve(error.code));
      });
      const lookup = new Promise((resolve) => dns.resolve4('example.com', (error) => resolve(error ? 'failed' : 'resolved')));
      const udp = new Promise((resolve) => {
        const socket = require('node:dgram').createSocket('udp4');
        socket.on('error', (error) => resolve(error.code));
        socket.send('x', 53, '1.1.1.1', (error) => resolve(error ? error.code : 'sent'));
      });
      Promise.all([attempt({ port: ${port}, host: '127.0.0.1' }), attempt({ path: '\\0secai-sandbox-${process.pid}' }), lookup, udp])
        .then((answers) => { console.log(JSON.stringify([...answers, Object.keys(os.networkInterfaces())])); process.exit(0); });
    `);
    tcp.close();
    abstract.close();
    expect(exit.code).toBe(0);
    const [connected, abstractly, resolved, sent, devices] = JSON.parse(stdout);
    expect(connected).not.toBe('connected');
    expect(abstractly).not.toBe('connected');
    expect(resolved).toBe('failed');
    expect(sent).not.toBe('sent');
    expect(devices.filter((name: string) => name !== 'lo')).toEqual([]);
    expect(connections).toBe(0);
  });

  it('is reached over a unix socket in a shared folder', async () => {
    const path = join(folder, 'inside.sock');
    const sandboxed = await spawnSandboxed({
      command: NODE,
      args: [
        '-e',
        `require('node:http').createServer((q, s) => s.end('hello')).listen(${JSON.stringify(path)}, () => console.log('up'));
         process.stdin.resume().on('end', () => process.exit(0));`,
      ],
      readOnly: [],
      readWrite: [folder],
      network: false,
      memoryBytes: 256 * MiB,
      lifeline: true,
      stdio: { stdout: 'pipe' },
    });
    await once(sandboxed.child.stdout!, 'data');
    const answer = await new Promise<string>((resolve, reject) => {
      request({ socketPath: path }, (response) =>
        response.setEncoding('utf8').once('data', (text: string) => resolve(text)),
      )
        .on('error', reject)
        .end();
    });
    sandboxed.endInput();
    expect(answer).toBe('hello');
    expect(await sandboxed.exited).toMatchObject({ code: 0, cause: null });
  });

  it('also from a parent under the permission model, without its flags reaching the command', async () => {
    const source = fileURLToPath(new URL('../src/index.ts', import.meta.url));
    const script = join(folder, 'parent.ts');
    writeFileSync(
      script,
      `import { spawnSandboxed } from ${JSON.stringify(source)};
       const s = await spawnSandboxed({ command: ${JSON.stringify(NODE)}, network: false, memoryBytes: 2 ** 28,
         args: ['-e', 'console.log(JSON.stringify([process.env, process.permission === undefined, require("fs").readdirSync("/")]))'],
         env: { A: '1' }, readOnly: [], readWrite: [], stdio: { stdout: 'inherit', stderr: 'inherit' } });
       console.log(JSON.stringify(await s.exited));`,
    );
    const flags = [`--allow-fs-read=${dirname(source)}`, `--allow-fs-read=${folder}`, '--allow-child-process'];
    const [inside, exit] = execFileSync(NODE, ['--permission', ...flags, '--allow-fs-read=/proc', script], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(exit).toMatchObject({ code: 0, cause: null });
    expect(exit.peakMemoryBytes).toBeGreaterThan(0);
    expect(inside[0].A).toBe('1');
    expect(inside[0].NODE_OPTIONS).toBeUndefined();
    expect(inside[1]).toBe(true);
    // Without /proc nobody could watch its memory: refused before anything starts.
    const refused = spawn(NODE, ['--permission', ...flags, script], { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    refused.stderr.setEncoding('utf8').on('data', (text) => (complaint += text));
    const [code] = await once(refused, 'close');
    expect(code).not.toBe(0);
    expect(complaint).toContain('--allow-fs-read=/proc');
  });
});

describe('files and rights', () => {
  it('shows what was named and nothing else, and writes only where allowed', async () => {
    const secret = mkdtempSync(join(tmpdir(), 'secai-secret-'));
    writeFileSync(join(secret, 'key'), 'secret');
    const readable = mkdtempSync(join(tmpdir(), 'secai-readable-'));
    writeFileSync(join(readable, 'model'), 'weights');
    const { stdout, isolation } = await run(
      `
      const fs = require('node:fs');
      const attempt = (f) => { try { return f() ?? 'done'; } catch (error) { return error.code; } };
      console.log(JSON.stringify({
        secret: attempt(() => fs.readFileSync(${JSON.stringify(join(secret, 'key'))}, 'utf8')),
        passwd: attempt(() => fs.readFileSync('/etc/passwd', 'utf8')),
        read: attempt(() => fs.readFileSync(${JSON.stringify(join(readable, 'model'))}, 'utf8')),
        overwrite: attempt(() => fs.writeFileSync(${JSON.stringify(join(readable, 'model'))}, 'x')),
        create: attempt(() => fs.writeFileSync(${JSON.stringify(join(readable, 'new'))}, 'x')),
        remove: attempt(() => fs.unlinkSync(${JSON.stringify(join(readable, 'model'))})),
        own: attempt(() => fs.writeFileSync(${JSON.stringify(join(folder, 'own'))}, 'x')),
        lib: attempt(() => fs.writeFileSync('/usr/lib/evil', 'x')),
        sysctl: attempt(() => fs.writeFileSync('/proc/sys/kernel/core_pattern', 'x')),
        tmp: attempt(() => fs.writeFileSync('/tmp/scratch', 'x')),
        tmpFull: attempt(() => fs.writeFileSync('/tmp/big', Buffer.alloc(2 << 20))),
        status: fs.readFileSync('/proc/self/status', 'utf8'),
        pids: fs.readdirSync('/proc').filter((name) => /^\\d+$/.test(name)).length,
        root: fs.readdirSync('/'),
      }));
    `,
      { readOnly: [readable], tmpBytes: MiB },
    );
    const seen = JSON.parse(stdout);
    rmSync(secret, { recursive: true });
    rmSync(readable, { recursive: true });
    expect(isolation.network).toBe('none');
    expect(seen.status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(seen.status).toMatch(/^CapEff:\t0+$/m);
    expect(seen.status).toMatch(/^CapBnd:\t0+$/m);
    expect(seen.pids).toBeLessThanOrEqual(3);
    expect(seen.read).toBe('weights');
    expect(seen.own).toBe('done');
    expect(existsSync('/tmp/scratch')).toBe(false);
    if (isolation.filesystem === 'readonly') {
      expect(seen).toMatchObject({ secret: 'ENOENT', passwd: 'ENOENT', tmp: 'done', tmpFull: 'ENOSPC' });
      for (const act of ['overwrite', 'create', 'remove', 'lib', 'sysctl'])
        expect(seen[act]).toMatch(/EROFS|EBUSY|EACCES/);
    }
  });

  it('hands over the given environment only', async () => {
    process.env['SECAI_TEST_SECRET'] = 'do not inherit';
    const { stdout } = await run('console.log(JSON.stringify(process.env))', { env: { GREETING: 'hi' } });
    delete process.env['SECAI_TEST_SECRET'];
    expect(JSON.parse(stdout)).toMatchObject({ GREETING: 'hi' });
    expect(stdout).not.toContain('do not inherit');
  });

  it('refuses wrong calls and says which part', async () => {
    const base = { command: NODE, readOnly: [], readWrite: [], network: false, memoryBytes: MiB } as const;
    const wrong: [Partial<SandboxOptions>, string][] = [
      [{ command: 'node' }, 'absolute'],
      [{ readOnly: ['/a/../b'] }, 'absolute and normal'],
      [{ readWrite: ['/'] }, 'whole file system'],
      [{ readOnly: ['/proc'] }, '/proc'],
      [{ memoryBytes: 0 }, 'memoryBytes'],
      [{ wallMs: Number.NaN }, 'wallMs'],
    ];
    for (const [part, message] of wrong) {
      const failure = await spawnSandboxed({ ...base, ...part }).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(SandboxError);
      expect((failure as SandboxError).code).toBe('bad_option');
      expect((failure as SandboxError).message).toContain(message);
    }
  });

  it('fails closed where no sandbox can be made, with what to install', async () => {
    const probe = await probeSandbox({ searchPath: folder });
    expect(probe).toMatchObject({ available: false, install: expect.stringContaining('bubblewrap') });
    await expect(run('0', { searchPath: folder })).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('tells a missing file from a failed command', async () => {
    const { exit, stderr } = await run('0', { readOnly: [join(folder, 'absent')] });
    expect(exit.code).not.toBe(0);
    expect(stderr).toContain('absent');
  });
});

describe('every method', () => {
  const look = ['-e', 'console.log(process.getuid(), require("node:fs").readFileSync("/proc/net/dev", "utf8"))'];
  const plan = {
    command: NODE,
    args: look,
    cwd: '/',
    readOnly: [NODE],
    readWrite: [],
    tmpBytes: MiB,
    cpuSeconds: 10,
    dataBytes: null,
  };

  it.each(['unshare', 'unshare-host-files'] as const)('%s has no network device', async (method) => {
    const { tools } = await findSandbox();
    const [program, ...args] = commandLine(method, plan, tools!, process.getuid?.() === 0);
    const devices = execFileSync(program!, args, { encoding: 'utf8' }).match(/^\s*[^\s:|]+:/gm);
    expect(devices?.map((name) => name.trim())).toEqual(['lo:']);
  });

  it('hides the host also where pivot_root is not installed', async () => {
    const { tools } = await findSandbox();
    const bin = mkdtempSync(join(tmpdir(), 'secai-tools-'));
    for (const name of ['cat', 'chroot', 'env', 'ln', 'mkdir', 'mount', 'readlink', 'rmdir', 'setpriv', 'umount']) {
      symlinkSync(execFileSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(), join(bin, name));
    }
    const code = 'console.log(JSON.stringify([fs.readdirSync("/"), fs.readdirSync("/tmp"), process.cwd()]))';
    const seeing = { ...plan, args: ['-e', code], cwd: '/usr', readWrite: [folder] };
    const [program, ...args] = commandLine('unshare', seeing, tools!, process.getuid?.() === 0);
    const output = execFileSync(program!, args, { encoding: 'utf8', env: { PATH: bin } });
    rmSync(bin, { recursive: true });
    const [root, tmp, cwd] = JSON.parse(output);
    expect(root).not.toContain('root');
    expect(root).not.toContain('.old');
    // A checkout below /tmp shows there too: Node itself is one of the files that the command may see.
    const own = tmp.filter((name: string) => !process.execPath.startsWith(`/tmp/${name}/`));
    expect(own).toEqual([basename(folder)]);
    expect(cwd).toBe('/usr');
  });

  it.runIf(process.getuid?.() === 0)('works for an ordinary user, who stays one', async () => {
    const { tools } = await findSandbox();
    const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--'];
    const readable = { ...plan, command: '/usr/bin/id', args: ['-u'], readOnly: ['/usr/bin/id'] };
    for (const method of ['unshare', 'unshare-host-files'] as const) {
      const line = commandLine(method, readable, tools!, false);
      const uid = execFileSync(tools!.setpriv!, [...nobody, ...line], { encoding: 'utf8' }).trim();
      expect(uid).toBe(method === 'unshare' ? '0' : '65534');
    }
  });
});

describe('caps', () => {
  it('ends a tree that uses too much memory, grandchildren counted', async () => {
    const hog = 'const a = []; setInterval(() => a.push(Buffer.alloc(16 << 20, 1)), 5);';
    const { exit } = await run(
      `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(hog)}], { stdio: 'inherit' });
       setInterval(() => {}, 1000);`,
      { memoryBytes: 300 * MiB },
    );
    expect(exit.cause).toBe('memory');
    expect(exit.message).toContain('300 MiB');
    expect(exit.peakMemoryBytes).toBeGreaterThan(300 * MiB);
    expect(exit.wallMs).toBeLessThan(10_000);
  });

  it('does not count a mapped file', async () => {
    const { exit } = await run(
      "const fs = require('node:fs'); for (let i = 0; i < 3; i++) fs.readFileSync(process.execPath); console.log('fine')",
      { memoryBytes: 400 * MiB },
    );
    expect(exit).toMatchObject({ code: 0, cause: null });
  });

  it('ends what runs too long or computes too much', async () => {
    const [wall, cpu] = await Promise.all([
      run('setInterval(() => {}, 1000)', { wallMs: 400 }),
      run('for (;;);', { cpuSeconds: 0.5 }),
    ]);
    expect(wall.exit.cause).toBe('wall');
    expect(wall.exit.wallMs).toBeLessThan(2000);
    expect(cpu.exit.cause).toBe('cpu');
    expect(cpu.exit.cpuMs).toBeGreaterThan(400);
  });

  it('ends on abort', async () => {
    const { exit } = await run('setInterval(() => {}, 1000)', { signal: AbortSignal.timeout(300) });
    expect(exit.cause).toBe('stopped');
  });
});

describe('no process is left', () => {
  const source = fileURLToPath(new URL('../src/index.ts', import.meta.url));

  async function startParent(marker: string): Promise<ChildProcess> {
    const script = join(folder, `${marker}.ts`);
    const inner = `require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e3) // ${marker}'],
      { detached: true, stdio: 'ignore' }).unref(); console.log('up'); setInterval(() => {}, 1e3) // ${marker}`;
    writeFileSync(
      script,
      `import { spawnSandboxed } from ${JSON.stringify(source)};
       await spawnSandboxed({ command: ${JSON.stringify(NODE)}, args: ['-e', ${JSON.stringify(inner)}], readOnly: [],
         readWrite: [], network: false, memoryBytes: 2 ** 29, stdio: { stdout: 'inherit' } });`,
    );
    const parent = spawn(NODE, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(parent.stdout!, 'data');
    return parent;
  }

  it('after SIGKILL of the parent', async () => {
    const marker = `secai-orphan-${process.pid}`;
    const parent = await startParent(marker);
    await until('the detached grandchild runs', () => processesWith(marker).length >= 3);
    parent.kill('SIGKILL');
    await until('all gone', () => processesWith(marker).length === 0);
  });

  it('after kill(), detached grandchildren included', async () => {
    const marker = `secai-tree-${process.pid}`;
    const sandboxed = await spawnSandboxed({
      command: NODE,
      args: [
        '-e',
        `require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e3) // ${marker}'],
          { detached: true, stdio: 'ignore' }).unref(); console.log('up'); setInterval(() => {}, 1e3)`,
      ],
      readOnly: [],
      readWrite: [],
      network: false,
      memoryBytes: 512 * MiB,
      stdio: { stdout: 'pipe' },
    });
    await once(sandboxed.child.stdout!, 'data');
    sandboxed.kill();
    expect(await sandboxed.exited).toMatchObject({ cause: 'stopped' });
    await until('all gone', () => processesWith(marker).length === 0);
  });
});
