import { runProcess } from '@secai/kit';
import { startStore } from './store.ts';

runProcess('store', () => startStore(process.env));
