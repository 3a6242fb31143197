// Scans the file named on the command line and prints what the test wants to know, from a process of its own.
import { scanModel } from '../src/index.ts';

const result = await scanModel(process.argv[2]!);
// maxRSS is in KiB (getrusage).
const peak = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ stages: result.stages, tensors: result.tensor_count, peak_rss: peak }));
