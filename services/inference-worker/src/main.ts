import { run } from '@secai/kit';
import { inferenceWorkerService } from './service.ts';

run(inferenceWorkerService);
