import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Builds the browser app into `dist/`. Nothing is inlined: the page runs under a CSP without `unsafe-inline`. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
});
