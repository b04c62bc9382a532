// Debian's headless Chromium with access to this machine only, and the checks of every page.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/opt/google/chrome/chrome', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];
export const OUT = fileURLToPath(new URL('../out/', import.meta.url));

/** The browser's path: CHROMIUM, or the usual places. */
export const browserPath = () => [process.env.CHROMIUM, ...PLACES].find((path) => path && existsSync(path));

export async function startBrowser() {
  mkdirSync(OUT, { recursive: true });
  return chromium.launch({
    executablePath: browserPath(),
    args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-default-apps', '--disable-sync', '--disable-dev-shm-usage',
      '--no-first-run', '--no-proxy-server', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  });
}

/** A context with one page; collects the errors of its pages in `trouble`. */
export async function open(browser, base, options = {}) {
  const context = await browser.newContext({ baseURL: base, locale: 'en-GB', timezoneId: 'Europe/Berlin', viewport: { width: 1280, height: 860 }, ...options });
  const page = await context.newPage();
  const trouble = [];
  page.on('pageerror', (error) => trouble.push(`error: ${error.message}`));
  page.on('console', (message) => { if (message.type() === 'error') trouble.push(`console: ${message.text()}`); });
  page.on('dialog', (dialog) => { trouble.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('request', (request) => { if (!request.url().startsWith(base)) trouble.push(`request to ${request.url()}`); });
  page.setDefaultTimeout(15_000);
  return { context, page, trouble };
}

/** Checks for one main heading, a language, a name for every control, and nothing wider than the window. */
export async function assertSound(page, where) {
  const found = await page.evaluate(() => {
    const named = (control) => control.labels?.length || control.getAttribute('aria-label') || control.getAttribute('aria-labelledby') || control.textContent.trim();
    const wide = [...document.querySelectorAll('body *')].filter((node) => node.getBoundingClientRect().right > innerWidth + 1 && getComputedStyle(node).position !== 'absolute');
    return {
      headings: document.querySelectorAll('h1').length,
      language: document.documentElement.lang,
      nameless: [...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea')].filter((control) => !named(control)).map((control) => control.outerHTML),
      withoutAlt: document.querySelectorAll('img:not([alt])').length,
      repeatedIds: [...document.querySelectorAll('[id]')].map(({ id }) => id).filter((id, index, all) => all.indexOf(id) !== index),
      scrolls: document.documentElement.scrollWidth > document.documentElement.clientWidth ? wide.slice(-3).map((node) => node.outerHTML.slice(0, 200)) : null,
    };
  });
  assert.deepEqual(found, { headings: 1, language: 'en', nameless: [], withoutAlt: 0, repeatedIds: [], scrolls: null }, where);
}

const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 860 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 860 } },
  phone: { colorScheme: 'light', viewport: { width: 360, height: 740 } },
};

/** Saves the page in light, dark and at a phone's width to e2e/out/. With `asItIs` it does not reload. */
export async function photograph(page, name, { asItIs = false } = {}) {
  for (const [look, { colorScheme, viewport }] of Object.entries(LOOKS)) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.setViewportSize(viewport);
    // The script scrolls navigation and console when the page opens.
    if (look === 'phone' && !asItIs) await page.reload();
    await page.screenshot({ path: join(OUT, `${name}-${look}.png`), fullPage: true });
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(LOOKS.light.viewport);
}
