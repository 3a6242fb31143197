import { run } from '@secai/kit';
import { uiService } from './service.ts';

run(uiService);
