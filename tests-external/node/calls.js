// Unmodified SDKs make real calls for as long as they are told to: menu, user info, customer-service message, media up and
// down, QR code. co-wechat-api holds virtual tokens; node-easywechat has its key and the AppID in the base URL. Prints one
// JSON object: calls made, errors, and how often an SDK fetched a token anew.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const WechatAPI = require('co-wechat-api');
const { OfficialAccount } = require('node-easywechat');

const { WXTOKEN_URL, VIRTUAL_KEY, PATH_KEY, CALLS_FOR, HONEST } = process.env;
const apps = JSON.parse(process.env.APPS);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wxtoken-calls-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
const picture = Buffer.from(Array.from({ length: 40_000 }, (_, n) => (n * 31) % 256));
const pictureFile = path.join(folder, 'picture.jpg');
fs.writeFileSync(pictureFile, picture);

const result = { calls: 0, errors: [], refetches: 0 };

/** Makes a call and notes what became of it. */
async function call(name, make) {
  result.calls += 1;
  try {
    return await make();
  } catch (error) {
    result.errors.push({ name, code: error.code, text: String(error.message).slice(0, 200) });
    return undefined;
  }
}

function coWechatApi({ appid, openid }) {
  const api = new WechatAPI(appid, VIRTUAL_KEY);
  api.prefix = `${WXTOKEN_URL}/cgi-bin/`;
  // Its own patience is three seconds: too short where tokens die faster than they can be replaced.
  api.setOpts({ timeout: 15_000 });
  const save = api.saveToken;
  api.saveToken = function (token) {
    if (token === null) result.refetches += 1;
    return save.call(this, token);
  };
  return [
    ['menu', () => api.getMenu()],
    ['user', () => api.getUser(openid)],
    ['message', () => api.sendText(openid, 'hello')],
    ['qrcode', () => api.createTmpQRCode(7, 600)],
    ['media', async () => {
      const { media_id: id } = await api.uploadMedia(picture, 'image', 'picture.jpg', 'image/jpeg');
      assert.ok(picture.equals(await api.getMedia(id)), 'the picture came back as it was sent');
    }],
  ];
}

/** WeChat's refusal as an error, as users of this SDK write it. */
function checked(answer) {
  const body = answer.toObject() ?? {};
  if (body.errcode) throw Object.assign(new Error(body.errmsg), { code: body.errcode });
  return body;
}

function easyWechat({ appid, openid }) {
  const app = new OfficialAccount({
    app_id: appid,
    secret: PATH_KEY,
    file_cache: { path: path.join(folder, appid) },
    http: { baseURL: `${WXTOKEN_URL}/k/${PATH_KEY}/${appid}/`, throw: false },
  });
  const client = app.getClient();
  const text = { touser: openid, msgtype: 'text', text: { content: 'hello' } };
  const scene = { expire_seconds: 600, action_name: 'QR_SCENE', action_info: { scene: { scene_id: 7 } } };
  return [
    ['menu', async () => checked(await client.get('/cgi-bin/menu/get'))],
    ['user', async () => checked(await client.get('/cgi-bin/user/info', { params: { openid } }))],
    ['message', async () => checked(await client.post('/cgi-bin/message/custom/send', { json: text }))],
    ['qrcode', async () => checked(await client.post('/cgi-bin/qrcode/create', { json: scene }))],
    ['media', async () => {
      const upload = client.withFile(pictureFile, 'media');
      const { media_id: id } = checked(await upload.post('/cgi-bin/media/upload', { params: { type: 'image' } }));
      const wanted = { params: { media_id: id }, responseType: 'arraybuffer' };
      const got = Buffer.from((await client.get('/cgi-bin/media/get', wanted)).getContent(false));
      if (got[0] === '{'.charCodeAt(0)) checked({ toObject: () => JSON.parse(got) });
      assert.ok(picture.equals(got), 'the picture came back as it was sent');
    }],
  ];
}

async function callOn(sdk, app, until) {
  const calls = sdk(app);
  while (Date.now() < until) {
    for (const [name, make] of calls) await call(`${sdk.name} ${name}`, make);
    await new Promise((done) => setTimeout(done, 20));
  }
}

async function main() {
  const until = Date.now() + Number(CALLS_FOR) * 1000;
  await Promise.all(apps.flatMap((app) => [coWechatApi, easyWechat].map((sdk) => callOn(sdk, app, until))));
  if (HONEST) result.refetches = 0;
  console.log(JSON.stringify(result));
}

main();
