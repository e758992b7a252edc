// A real browser of a phone's size signs people in through the relay, over the simulator's pages, to two sites that share
// its one callback domain.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { isForPeople, launch, phone, picture } from './phone.mjs';
import { Site } from './site.mjs';

const { WXTOKEN_URL: api, WXTOKEN_PUBLIC_URL: relay, UPSTREAM_URL: wechat, APPID: appid } = process.env;
const { EXAMPLE_URL: example, FORUM_KEY: key, FORUM_PORT: port } = process.env;
const OPENID = /^o[\w-]{27}$/;

const forum = new Site({ name: 'Forum', port: Number(port), api, relay, appid, key });
let browser;
let context;

before(async () => {
  await forum.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await forum.stop();
});
afterEach(async () => {
  await context?.close();
  context = undefined;
  forum.visits = [];
  await steer('DELETE', 'faults');
});

/** Steers the simulated WeChat. */
async function steer(method, path, body) {
  const answer = await fetch(`${wechat}/_sim/${path}`, { method, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${await answer.text()}`);
}

const refusalIs = (reading) => steer('PUT', 'rules', { readings: { consent_refusal: reading } });
const exchanges = async () =>
  (await (await fetch(`${wechat}/_sim/counters`)).json()).calls['/sns/oauth2/access_token'] ?? 0;

/** A page on a phone of its own, which WeChat knows as this person. */
async function as(person, options) {
  context ??= await phone(browser, options);
  const page = await context.newPage();
  await page.goto(`${wechat}/_sim/login?user=${person}`);
  return page;
}

/** Goes the way to WeChat's page, and stops there: its address. The browser has the relay's cookie. */
async function begun(parameters) {
  const answer = await context.request.get(forum.signIn(parameters), { maxRedirects: 0 });
  assert.equal(answer.status(), 302);
  return answer.headers().location;
}

/** Goes on from there until WeChat sends the browser back: the address of the callback, not yet gone to. */
async function allowed(page) {
  const answer = await context.request.get(page, { maxRedirects: 0 });
  assert.equal(answer.status(), 302);
  return answer.headers().location;
}

const ours = (page) => page.url().startsWith(relay);
const button = (page) => page.locator('main > a').first();
const shown = (page, id) => page.locator(`#${id}`).textContent();

async function isSignedIn(page, state = '') {
  assert.ok(page.url().startsWith(forum.returnTo), page.url());
  assert.match(await shown(page, 'openid'), OPENID);
  assert.equal(await shown(page, 'state'), state);
}

test('with snsapi_base nobody is asked anything', async () => {
  const page = await as('alice');
  await page.goto(forum.signIn({ state: 'a+b c/ä&=%' }));
  await isSignedIn(page, 'a+b c/ä&=%');
  assert.equal(await shown(page, 'nickname'), '');
  assert.equal(forum.visits.length, 1);
});

test('with snsapi_userinfo the site learns the name after the page of consent', async () => {
  await steer('PUT', 'people/bob', { nickname: '鲍勃 <b>🐻' });
  const page = await as('bob');
  await page.goto(forum.signIn({ scope: 'snsapi_userinfo', state: '1' }));
  assert.ok(page.url().startsWith(wechat), page.url());
  await picture(page, 'consent');
  await page.click('#allow');
  await isSignedIn(page, '1');
  assert.equal(await shown(page, 'nickname'), '鲍勃 <b>🐻');
  await picture(page, 'signed-in');
});

test('the example site signs in through the same callback domain', async () => {
  const page = await as('carol');
  await page.goto(example);
  await picture(page, 'example');
  await page.locator('a').first().click();
  if (page.url().startsWith(wechat)) await page.click('#allow');
  await page.waitForURL((url) => url.href.startsWith(example));
  assert.match(await page.textContent('body'), /o[\w-]{27}/);
  await picture(page, 'example-signed-in');
  await page.reload();
  assert.match(await page.textContent('body'), /o[\w-]{27}/, 'it keeps a session of its own');
});

test('two sites at once, in two tabs of one browser, each get their own visitor back', async () => {
  const one = await as('bob');
  const other = await as('bob');
  await one.goto(forum.signIn({ scope: 'snsapi_userinfo', state: 'forum' }));
  await other.goto(example);
  await other.locator('a').first().click();
  await one.click('#allow');
  if (other.url().startsWith(wechat)) await other.click('#allow');
  await isSignedIn(one, 'forum');
  await other.waitForURL((url) => url.href.startsWith(example));
  assert.match(await other.textContent('body'), /o[\w-]{27}/);
});

test('who refuses is told so, and may think again or go back', async () => {
  await refusalIs('redirect');
  try {
    const page = await as('bob');
    await page.goto(forum.signIn({ scope: 'snsapi_userinfo', state: 's' }));
    await page.click('#deny');
    assert.ok(ours(page), page.url());
    await isForPeople(page, 'refused');
    await page.locator('main > a').nth(1).click();
    assert.ok(page.url().startsWith(forum.returnTo), page.url());
    assert.equal(forum.visits.at(-1).get('error'), 'access_denied');
    assert.equal(forum.visits.at(-1).get('state'), 's');
    await page.goBack();
    await button(page).click();
    await page.click('#allow');
    await isSignedIn(page, 's');
  } finally {
    await refusalIs('own-page');
  }
});

test('back to a callback that was used: a page that leads on, and no second exchange', async () => {
  const page = await as('alice');
  const callback = await allowed(await begun({ state: 'again' }));
  await page.goto(callback);
  await isSignedIn(page, 'again');
  const before = await exchanges();
  await page.goto(callback);
  assert.ok(ours(page), page.url());
  assert.equal(await exchanges(), before, 'the code is not exchanged again');
  await isForPeople(page, 'used');
  await button(page).click();
  await isSignedIn(page, 'again');
});

test('two taps on the button exchange one code, and the visitor arrives', async () => {
  const page = await as('bob');
  await page.goto(forum.signIn({ scope: 'snsapi_userinfo', state: 'tap' }));
  const before = await exchanges();
  await page.locator('#allow').dblclick();
  await page.waitForURL((url) => !url.href.startsWith(wechat));
  if (ours(page)) {
    await isForPeople(page, 'two-taps');
    await button(page).click();
    await page.click('#allow');
  }
  await isSignedIn(page, 'tap');
  assert.ok((await exchanges()) - before <= 2);
});

test('a code that grew too old on its way leads to a page, and from there to a new one', async () => {
  const page = await as('alice');
  const callback = await allowed(await begun({ state: 'old' }));
  await steer('POST', 'clock', { advance_s: 301 });
  await page.goto(callback);
  assert.ok(ours(page), page.url());
  await isForPeople(page, 'too-old');
  await button(page).click();
  await isSignedIn(page, 'old');
});

test('a snapshot page has no real user: it says how to get one', async () => {
  const page = await as('bob');
  const asked = await begun({ scope: 'snsapi_userinfo', state: 'snap' });
  await page.goto(asked.replace('#', '&forceSnapShot=1#'));
  assert.ok(ours(page), page.url());
  await isForPeople(page, 'snapshot');
  await button(page).click();
  await page.click('#allow');
  await isSignedIn(page, 'snap');
});

test('while WeChat does not answer, the page says so and tries with a new code', async () => {
  await steer('POST', 'faults', { name: 'drop', path: '/sns/oauth2/access_token' });
  const page = await as('alice');
  await page.goto(forum.signIn({ state: 'away' }));
  assert.ok(ours(page), page.url());
  assert.match(await isForPeople(page, 'wechat-away'), /微信没有回应/);
  await steer('DELETE', 'faults');
  await button(page).click();
  await isSignedIn(page, 'away');
});

test('nobody is sent to a page that no caller lists', async () => {
  const page = await as('alice');
  for (const [number, trick] of [
    'https://evil.example/',
    '//evil.example/back',
    forum.returnTo.replace('127.0.0.1', '127.0.0.1@evil.example'),
    `${forum.returnTo}/../../x`,
    `${forum.returnTo}?next=https://evil.example`,
    forum.returnTo.toUpperCase(),
  ].entries()) {
    const answer = await page.goto(forum.signIn({ return_to: trick }));
    assert.ok(ours(page), page.url());
    assert.equal(answer.status(), 400, trick);
    assert.ok(!(await page.content()).includes('href="https://evil'), trick);
    assert.doesNotMatch(await page.evaluate(() => document.body.innerText), /undefined|null/);
    if (number === 0) await picture(page, 'wrong-return-to');
  }
  assert.equal(forum.visits.length, 0);
});

test('a callback in another browser than the one that began is refused', async () => {
  await as('alice');
  const callback = await allowed(await begun({ state: 'x' }));
  const stranger = await phone(browser);
  try {
    const other = await stranger.newPage();
    await other.goto(callback);
    assert.ok(ours(other), other.url());
    await picture(other, 'other-browser');
    assert.equal(forum.visits.length, 0);
  } finally {
    await stranger.close();
  }
});

test('pages follow the language and the darkness of the phone', async () => {
  const page = await as('alice', { locale: 'en-US', colorScheme: 'dark' });
  await page.goto(forum.signIn({ return_to: 'https://evil.example/' }));
  await picture(page, 'english-dark');
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
  const colours = await page.evaluate(() => {
    const style = getComputedStyle(document.body);
    return [style.backgroundColor, style.color].map((colour) => colour.match(/\d+/g).map(Number));
  });
  const light = ([r, g, b]) => r + g + b;
  assert.ok(light(colours[0]) < light(colours[1]), JSON.stringify(colours));
});
