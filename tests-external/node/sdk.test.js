// Unmodified SDKs from npm get their token and ticket from a running wxtoken by nothing but another base URL, a caller
// key standing where the AppSecret would, and call one WeChat API with what they got.
'use strict';

const { test } = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const WechatAPI = require('co-wechat-api');
const { OfficialAccount } = require('node-easywechat');

const { WXTOKEN_URL, WXTOKEN_KEY, UPSTREAM_URL, APPID } = process.env;

/** What the server itself says the value is. */
async function handedOut(kind) {
  const answer = await fetch(`${WXTOKEN_URL}/v1/apps/${APPID}/${kind}`, {
    headers: { authorization: `Bearer ${WXTOKEN_KEY}` },
  });
  assert.equal(answer.status, 200);
  const credential = await answer.json();
  return credential.access_token ?? credential.ticket;
}

function coWechatApi(key = WXTOKEN_KEY) {
  const api = new WechatAPI(APPID, key);
  api.prefix = `${WXTOKEN_URL}/cgi-bin/`;
  return api;
}

function easyWechat(config) {
  const cache = fs.mkdtempSync(path.join(os.tmpdir(), 'easywechat-'));
  process.on('exit', () => fs.rmSync(cache, { recursive: true, force: true }));
  return new OfficialAccount({ app_id: APPID, secret: WXTOKEN_KEY, file_cache: { path: cache }, ...config });
}

test('co-wechat-api gets the token by its prefix, and WeChat accepts it', async () => {
  const api = coWechatApi();
  const { accessToken } = await api.ensureAccessToken();
  assert.equal(accessToken, await handedOut('access_token'));
  api.prefix = `${UPSTREAM_URL}/cgi-bin/`;
  const { ip_list: addresses } = await api.getIp();
  assert.ok(addresses.length > 0);
});

test('co-wechat-api keeps the token for as long as it lives, less its own ten seconds', async () => {
  const token = await coWechatApi().ensureAccessToken();
  const secondsLeft = (token.expireTime - Date.now()) / 1000;
  assert.ok(secondsLeft > 0 && secondsLeft <= 7200, `${secondsLeft} s`);
});

test('co-wechat-api gets the jsapi ticket with the caller key in the path', async () => {
  const api = coWechatApi();
  api.prefix = `${WXTOKEN_URL}/k/${WXTOKEN_KEY}/cgi-bin/`;
  const { ticket } = await api.getTicket();
  assert.equal(ticket, await handedOut('jsapi_ticket'));
});

test('a key that is none is refused to co-wechat-api as a wrong AppSecret is', async () => {
  const api = coWechatApi('0123456789abcdef0123456789abcdef');
  await assert.rejects(api.ensureAccessToken(), (error) => error.code === 40125);
});

for (const stable of [false, true]) {
  const by = stable ? 'stable_token' : 'token';
  test(`node-easywechat gets the token by its base URL (${by}), and WeChat accepts it`, async () => {
    const config = { use_stable_access_token: stable };
    const hub = easyWechat({ ...config, http: { baseURL: `${WXTOKEN_URL}/` } });
    const accessToken = hub.getAccessToken();
    assert.equal(await accessToken.getToken(), await handedOut('access_token'));
    const app = easyWechat({ ...config, http: { baseURL: `${UPSTREAM_URL}/` } });
    app.setAccessToken(accessToken);
    const answer = await app.getClient().get('/cgi-bin/getcallbackip');
    assert.ok(answer.toObject().ip_list.length > 0);
  });
}

test('node-easywechat gets the jsapi ticket with the caller key in the path', async () => {
  const hub = easyWechat({ http: { baseURL: `${WXTOKEN_URL}/k/${WXTOKEN_KEY}/` } });
  assert.equal(await hub.getTicket().getTicket(), await handedOut('jsapi_ticket'));
});
