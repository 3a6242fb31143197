import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{shared,services,tests,containers,quadlets,netns,image,tools}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', '**/out/**'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
