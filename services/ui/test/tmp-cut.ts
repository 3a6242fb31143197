import { request } from 'node:http';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as d } from 'node:timers/promises';
import { readFile } from 'node:fs/promises';
import { Stack } from './support/stack.ts';
const stack = await Stack.start({ quarantine: true });
const token = await readFile(join(stack.environment.env['SECAI_TOKENS']!, 'ui--quarantine'), 'utf8');
const ls = async () => (await readdir(join(stack.dir, 'quarantine'), { recursive: true, withFileTypes: true })).filter(e => e.isFile()).map(e => e.name);
const req = request(`${stack.quarantine.url}/v1/jobs`, { method: 'POST', agent: false, headers: { authorization: `Bearer ${token}`, connection: 'close', 'content-type': 'multipart/form-data; boundary=b', 'content-length': 100_000_000 } });
req.on('error', (e) => console.log('err', e.message)); req.on('response', (r) => console.log(r.statusCode));
req.write(`--b\r\ncontent-disposition: form-data; name="name"\r\n\r\ncut\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="x.gguf"\r\n\r\n`);
req.write(Buffer.alloc(1_000_000));
while ((await ls()).length === 0) await d(20);
console.log(await ls());
req.destroy();
for (let i=0;i<10;i++) { await d(200); console.log((await ls()).length); }
await stack.stop(); process.exit();
