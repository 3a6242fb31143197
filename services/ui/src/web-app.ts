import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Request, Response } from '@secai/kit';

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
};

/** Vite names every file under assets/ by its content. */
const HASHED = /^\/assets\/[^/]+-[A-Za-z0-9_-]{8}\.[a-z0-9]+$/;
const NOT_BUILT =
  'The page was not built yet. Run "npm run build" in the project folder, or "npm start", which does it by itself.\n';

interface Page {
  bytes: Buffer;
  type: string;
  etag: string;
}

/**
 * The built browser app, held in memory: an address is looked up in a fixed table and never becomes a path, so no
 * address can reach another file. Build it again and the next visit sees the new one.
 */
export class WebApp {
  readonly #dir: string;
  #pages = new Map<string, Page>();
  #version = '';

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Answers a GET for a file or a page of the app; false when the address is none. */
  async serve(req: Request, res: Response): Promise<boolean> {
    if (req.method !== 'GET' && req.method !== 'HEAD') return false;
    if (isNavigation(req)) return this.#sendIndex(req, res);
    const page = this.#pages.get(req.path) ?? (await this.#fresh()).get(req.path);
    if (!page) return false;
    send(req, res, page, HASHED.test(req.path) ? 'public, max-age=31536000, immutable' : 'no-cache');
    return true;
  }

  async #sendIndex(req: Request, res: Response): Promise<boolean> {
    const index = (await this.#fresh()).get('/index.html');
    if (index) send(req, res, index, 'no-cache');
    else res.status(503).type('text/plain').setHeader('cache-control', 'no-store').send(NOT_BUILT);
    return true;
  }

  async #fresh(): Promise<Map<string, Page>> {
    const version = await stat(join(this.#dir, 'index.html')).then(
      ({ mtimeMs, ino, size }) => `${mtimeMs} ${ino} ${size}`,
      () => '',
    );
    if (version === this.#version) return this.#pages;
    this.#pages = version === '' ? new Map() : await readPages(this.#dir);
    this.#version = version;
    return this.#pages;
  }
}

/** A browser opening an address of the app; the app itself knows which of them exist. */
function isNavigation(req: Request): boolean {
  if (/^\/(api|v1|assets)(\/|$)/.test(req.path)) return false;
  if (req.path === '/' || req.path === '/index.html') return true;
  return extname(req.path) === '' && (req.headers.accept ?? '').includes('text/html');
}

async function readPages(dir: string): Promise<Map<string, Page>> {
  const pages = new Map<string, Page>();
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || !type) continue;
    const file = join(entry.parentPath, entry.name);
    const bytes = await readFile(file);
    const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"`;
    pages.set(encodeURI(file.slice(dir.length)), { bytes, type, etag });
  }
  return pages;
}

function send(req: Request, res: Response, page: Page, cacheControl: string): void {
  res.setHeader('cache-control', cacheControl);
  res.setHeader('etag', page.etag);
  if (req.headers['if-none-match'] === page.etag) {
    res.status(304).end();
    return;
  }
  res.setHeader('content-type', page.type);
  res.setHeader('content-length', page.bytes.length);
  if (req.method === 'HEAD') res.end();
  else res.end(page.bytes);
}
