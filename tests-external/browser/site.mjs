// A small web site that signs its visitors in through the relay, and shows who they are. Must not know: WeChat.

import http from 'node:http';

const page = (body) =>
  `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Site</title></head><body>${body}</body></html>`;
const escape = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

export class Site {
  /** `api`: where the caller's key is good; `relay`: where browsers go. */
  constructor({ name, port, api, relay, appid, key }) {
    Object.assign(this, { name, port, api, relay, appid, key });
    this.returnTo = `http://127.0.0.1:${port}/back`;
    /** What came back, in order: the query of each visit to /back. */
    this.visits = [];
  }

  async start() {
    this.server = http.createServer((request, response) => this.answer(request, response));
    await new Promise((ready) => this.server.listen(this.port, '127.0.0.1', ready));
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }

  signIn(parameters = {}) {
    const query = new URLSearchParams({ return_to: this.returnTo, ...parameters });
    return `${this.relay}/oauth/${this.appid}/authorize?${query}`;
  }

  async ask(path, body) {
    const answer = await fetch(this.api + path, {
      method: body ? 'POST' : 'GET',
      headers: { Authorization: `Bearer ${this.key}`, ...(body && { 'Content-Type': 'application/json' }) },
      body: body && JSON.stringify(body),
    });
    return { status: answer.status, body: await answer.json() };
  }

  async answer(request, response) {
    const url = new URL(request.url, this.returnTo);
    const show = (body, status = 200) => {
      response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' });
      response.end(page(body));
    };
    if (url.pathname !== '/back') return show(`<h1>${this.name}</h1>`, url.pathname === '/' ? 200 : 404);
    this.visits.push(url.searchParams);
    if (!url.searchParams.has('code')) return show(`<p id="none">nobody: ${escape(url.searchParams.get('error'))}</p>`);
    const { status, body: user } = await this.ask('/v1/oauth/redeem', { code: url.searchParams.get('code') });
    if (status !== 200) return show(`<p id="refused">${escape(user.detail)}</p>`);
    const profile = user.scope.includes('userinfo')
      ? await this.ask(`/v1/apps/${this.appid}/users/${user.openid}/profile`)
      : undefined;
    show(
      `<h1>${this.name}</h1><p id="openid">${escape(user.openid)}</p><p id="state">${escape(url.searchParams.get('state'))}</p>` +
        `<p id="nickname">${escape(profile?.body.user?.nickname ?? '')}</p>`,
    );
  }
}
