import { run } from '@secai/kit';
import { policyEngineService } from './service.ts';

run(policyEngineService);
