import { run } from '@secai/kit';
import { quarantineService } from './service.ts';

run(quarantineService);
