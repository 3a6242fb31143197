/** What a person does on the first day, in a real browser, with the real model: out/screenshots shows it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { verifies } from '../claims.ts';
import { eventually } from '../support/eventually.ts';
import { type Stack, starterModelFile, startStack } from '../support/stack.ts';
import { type Browser, openBrowser } from './browser.ts';

const passphrase = 'correct horse battery staple';
let stack: Stack;
let browser: Browser;
let broken = false;

beforeAll(async () => {
  stack = await startStack();
  browser = await openBrowser(stack.url('ui'));
});
// Each step stands on the one before, so the first failure is the one to read.
beforeEach(() => {
  if (broken) throw new Error('an earlier step failed');
});
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail' || broken) return;
  broken = true;
  await browser.shot('failed');
});
afterAll(async () => {
  await browser?.close();
  await stack?.stop();
});

verifies(['chat.journey', 'service.ui', 'zone.quarantine'], () => {
  it('sets a passphrase', async () => {
    const { page } = browser;
    await page.goto(`${stack.url('ui')}/`);
    await page.getByRole('heading', { name: 'Welcome to SecAI OS' }).waitFor();
    await browser.shot('01-welcome');
    await page.getByLabel('Passphrase', { exact: true }).fill(passphrase);
    await page.getByLabel('Repeat passphrase', { exact: true }).fill(passphrase);
    await page.getByRole('button', { name: 'Set passphrase and begin' }).click();
    await page.getByRole('link', { name: 'Import a model' }).waitFor();
    await browser.shot('02-no-model-yet');
  });

  it('watches a real model pass the seven stages', { timeout: 180_000 }, async () => {
    const { page } = browser;
    await page.getByRole('link', { name: 'Models', exact: true }).first().click();
    await page.getByLabel('Model file').setInputFiles(starterModelFile);
    await page.getByRole('button', { name: 'Import', exact: true }).click();
    const journey = page.getByRole('article', { name: /^Import of SmolLM2/ });
    await journey.waitFor();
    await browser.shot('03-in-quarantine');
    await journey.getByText('Available', { exact: true }).waitFor({ timeout: 150_000 });
    const stages = await journey
      .getByRole('list', { name: /Quarantine stages|The seven checks/ })
      .first()
      .getByRole('listitem')
      .count();
    expect(stages).toBe(7);
    await browser.shot('04-passed');
    await page.getByRole('article', { name: /^Model SmolLM2/ }).waitFor();
  });

  it('shows why a pickle under a false name is not let in', async () => {
    const { page } = browser;
    const evil = join(stack.home, 'innocent.gguf');
    await writeFile(
      evil,
      Buffer.from('80049523000000000000008c05706f736978948c0673797374656d9493948c0869642e736f75742e', 'hex'),
    );
    await page.getByLabel('Model file').setInputFiles(evil);
    await page.getByRole('button', { name: 'Import', exact: true }).click();
    const rejected = page.getByRole('article', { name: 'Import of innocent' });
    await rejected.getByText('This file was not let in.').waitFor();
    await rejected
      .getByText(/pickle/i)
      .first()
      .waitFor();
    await browser.shot('05-rejected');
  });

  it('chats: streams, keeps the answer over a reload, regenerates, stops', { timeout: 120_000 }, async () => {
    const { page } = browser;
    await page.getByRole('button', { name: 'Chat with it' }).first().click();
    const composer = page.getByRole('textbox', { name: 'Message', exact: true });
    await composer.fill('Name three colours.');
    await composer.press('Enter');
    const answer = page.getByRole('article', { name: 'Answer' }).last();
    await page.getByRole('button', { name: 'Regenerate answer' }).last().waitFor({ timeout: 60_000 });
    const first = ((await answer.textContent()) ?? '').trim();
    expect(first.length).toBeGreaterThan(3);
    await browser.shot('06-chat');

    await page.reload();
    await page.getByRole('article', { name: 'Answer' }).last().waitFor();
    expect(await page.getByRole('article', { name: 'Your message' }).last().textContent()).toContain(
      'Name three colours.',
    );

    await page.getByRole('button', { name: 'Regenerate answer' }).last().click();
    await page.getByText('2 / 2').last().waitFor({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Previous version' }).last().waitFor();

    await eventually(
      'the second answer is done',
      async () => (await page.getByRole('button', { name: 'Stop', exact: true }).count()) === 0,
      60_000,
    );
    await composer.fill('Write a very long story about a lighthouse, with many chapters.');
    await composer.press('Enter');
    const stop = page.getByRole('button', { name: 'Stop', exact: true });
    await stop.waitFor();
    await eventually(
      'text streams',
      async () => ((await page.getByRole('article', { name: 'Answer' }).last().textContent()) ?? '').length > 60,
    );
    await stop.click();
    await page.getByText('You stopped this answer.').waitFor();
    await browser.shot('07-stopped');
  });

  it('finds the chat again by a word in it', async () => {
    const { page } = browser;
    await page.getByRole('searchbox', { name: 'Search chats' }).fill('lighthouse');
    await page
      .getByRole('region', { name: 'Search results' })
      .getByText(/lighthouse/i)
      .first()
      .waitFor();
    await page.getByRole('searchbox', { name: 'Search chats' }).fill('');
  });

  it('makes an API key and shows it once', async () => {
    const { page } = browser;
    await page.getByRole('link', { name: 'Settings' }).first().click();
    await page.getByLabel('Name of the new key').fill('laptop');
    await page.getByRole('button', { name: 'Create key' }).click();
    expect(await page.getByTestId('api-key-secret').textContent()).toMatch(/^sk-secai-/);
    await page.reload();
    await page.getByText('laptop').first().waitFor();
    expect(await page.getByTestId('api-key-secret').count()).toBe(0);
    await browser.shot('08-settings');
  });

  it('says what runs and in which mode', async () => {
    const { page } = browser;
    await page.getByRole('link', { name: 'System' }).first().click();
    await page.getByRole('heading', { name: 'Evaluation mode' }).waitFor();
    await page.getByRole('heading', { name: 'Recent decisions' }).waitFor();
    await browser.shot('09-system');
  });

  it('looks right in the dark and on a phone', async () => {
    const { page } = browser;
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.goto(`${stack.url('ui')}/`);
    await page.getByRole('textbox', { name: 'Message', exact: true }).waitFor();
    await browser.shot('10-dark');
    await page.setViewportSize({ width: 390, height: 844 });
    for (const [path, name] of [
      ['/', '11-phone-chat'],
      ['/models', '12-phone-models'],
      ['/system', '13-phone-system'],
    ] as const) {
      await page.goto(`${stack.url('ui')}${path}`);
      await page.getByRole('button', { name: 'Open menu' }).waitFor();
      if (path !== '/') await page.getByRole('heading', { level: 1 }).waitFor();
      // Nothing may be wider than the phone.
      expect(
        await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
        path,
      ).toBe(0);
      await browser.shot(name);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.emulateMedia({ colorScheme: 'light' });
  });

  it('logs out, refuses a wrong passphrase, and lets the right one in', async () => {
    const { page } = browser;
    await page.goto(`${stack.url('ui')}/settings`);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
    await page.getByLabel('Passphrase', { exact: true }).fill('not the passphrase');
    await page.getByRole('button', { name: 'Unlock' }).click();
    await page.getByRole('alert').first().waitFor();
    await browser.shot('14-locked');
    await page.getByLabel('Passphrase', { exact: true }).fill(passphrase);
    await page.getByRole('button', { name: 'Unlock' }).click();
    await page.getByRole('link', { name: 'Models', exact: true }).first().waitFor();
  });

  it('never talked to anyone else, and the browser had nothing to complain about', () => {
    expect(browser.foreign).toEqual([]);
    expect(browser.complaints).toEqual([]);
  });
});
