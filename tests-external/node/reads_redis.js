// co-wechat-api and its predecessor wechat-api by the callbacks of their documentation, and node-easywechat by a cache of the
// application's own, read what the server keeps in Redis for them. A fetch would go to an address that refuses.
'use strict';

const net = require('node:net');
const { callbackify, promisify } = require('node:util');

const WechatAPI = require('co-wechat-api');
const OlderAPI = require('wechat-api');
const { OfficialAccount } = require('node-easywechat');

const { REDIS_PORT, APPID, WXTOKEN_KEY, NOWHERE } = process.env;

/** The text at a key; null where there is none. One connection a question is enough here. */
function get(key) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(REDIS_PORT), '127.0.0.1');
    let heard = '';
    socket.on('error', reject);
    socket.on('data', (data) => {
      heard += data;
      const [head, body] = [heard.split('\r\n', 1)[0], heard.slice(heard.indexOf('\r\n') + 2)];
      const length = Number(head.slice(1));
      if (length < 0 || body.length >= length + 2) {
        socket.end();
        resolve(length < 0 ? null : body.slice(0, length));
      }
    });
    socket.write(`*2\r\n$3\r\nGET\r\n$${Buffer.byteLength(key)}\r\n${key}\r\n`);
  });
}

const nobody = () => Promise.reject(new Error('an SDK keeps a token of its own'));

const json = async (kind) => JSON.parse(await get(`shop:${APPID}:${kind}`));

function coWechatApi() {
  const api = new WechatAPI(APPID, WXTOKEN_KEY, () => json('access_token'), nobody);
  api.registerTicketHandle(() => json('jsapi_ticket'), nobody);
  api.prefix = `${NOWHERE}/cgi-bin/`;
  return api;
}

function wechatApi() {
  const api = new OlderAPI(APPID, WXTOKEN_KEY, callbackify(() => json('access_token')), callbackify(nobody));
  api.registerTicketHandle(callbackify(() => json('jsapi_ticket')), callbackify(nobody));
  api.endpoint = NOWHERE;
  const ask = (name) => promisify(api[name]).call(api);
  return { token: () => ask('getLatestToken'), ticket: () => ask('getLatestTicket') };
}

function easyWechat() {
  const app = new OfficialAccount({ app_id: APPID, secret: WXTOKEN_KEY, http: { baseURL: `${NOWHERE}/` } });
  app.setCache({ get, set: nobody, delete: nobody, has: async (key) => (await get(key)) !== null });
  return app;
}

async function main() {
  const co = coWechatApi();
  const older = wechatApi();
  const easy = easyWechat();
  const read = {
    'co-wechat-api, token': ['access_token', (await co.ensureAccessToken()).accessToken],
    'co-wechat-api, jsapi ticket': ['jsapi_ticket', (await co.ensureTicket('jsapi')).ticket],
    'wechat-api, token': ['access_token', (await older.token()).accessToken],
    'wechat-api, jsapi ticket': ['jsapi_ticket', (await older.ticket()).ticket],
    'node-easywechat, token': ['access_token', await easy.getAccessToken().getToken()],
    'node-easywechat, jsapi ticket': ['jsapi_ticket', await easy.getTicket().getTicket()],
  };
  console.log(JSON.stringify(read));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
