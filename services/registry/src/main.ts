import { run } from '@secai/kit';
import { registryService } from './service.ts';

run(registryService);
