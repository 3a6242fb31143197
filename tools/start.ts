/** Builds what is stale, then becomes the launcher. */
import { buildAll } from './build.ts';

await buildAll({ quiet: true });
await import('../shared/launcher/src/main.ts');
