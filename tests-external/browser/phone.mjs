// A browser the size of a phone, and what every page for people has to be on it.

import assert from 'node:assert/strict';
import path from 'node:path';
import { chromium } from 'playwright-core';

const WHERE = process.env.CHROMIUM ?? '/usr/bin/chromium';
// A browser that looks for its maker's servers would wait for them.
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const launch = () => chromium.launch({ executablePath: WHERE, args: QUIET });

/** A phone of its own: no cookie is shared with another. */
export async function phone(browser, { locale = 'zh-CN', colorScheme = 'light' } = {}) {
  const context = await browser.newContext({
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
    isMobile: true,
    hasTouch: true,
    locale,
    colorScheme,
    // The relay's certificate is made for this test.
    ignoreHTTPSErrors: true,
  });
  context.setDefaultTimeout(20_000);
  return context;
}

/** Keeps a picture where somebody wants to look at it. */
export async function picture(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (folder) await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}

/** A page for people: fits the phone, says its language, has one button large enough for a thumb, runs no script. */
export async function isForPeople(page, name) {
  await picture(page, name);
  const seen = await page.evaluate(() => {
    const button = document.querySelector('main > a');
    const box = button?.getBoundingClientRect();
    return {
      language: document.documentElement.lang,
      wide: document.documentElement.scrollWidth - window.innerWidth,
      button: box && { width: box.width, height: box.height },
      text: document.body.innerText,
      scripts: document.scripts.length,
      size: parseFloat(getComputedStyle(document.querySelector('p')).fontSize),
    };
  });
  assert.match(seen.language, /^(zh|en)/, `${name}: the page says its language`);
  assert.ok(seen.wide <= 0, `${name}: ${seen.wide} pixels too wide`);
  assert.ok(seen.button && seen.button.height >= 44, `${name}: a button for a thumb, ${JSON.stringify(seen.button)}`);
  assert.match(seen.text, /[\u4e00-\u9fff]{4}/, `${name}: Chinese`);
  assert.match(seen.text, /[A-Za-z]{3,} [a-z]{2,}/, `${name}: English`);
  assert.equal(seen.scripts, 0, `${name}: no script`);
  assert.ok(seen.size >= 16, `${name}: letters of ${seen.size} pixels`);
  return seen.text;
}
