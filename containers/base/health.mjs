// Health probe for images without a shell: exit code 0 when every address given answers 2xx within 5 s.
import { get } from 'node:http';

for (const address of process.argv.slice(2)) {
  const request = get(address, { timeout: 5000, agent: false }, (response) => {
    response.resume();
    if (response.statusCode < 200 || response.statusCode > 299) process.exitCode = 1;
  });
  request.on('timeout', () => request.destroy(new Error('no answer within 5 s')));
  request.on('error', (error) => {
    console.error(`${address}: ${error.message}`);
    process.exitCode = 1;
  });
}
