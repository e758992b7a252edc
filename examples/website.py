#!/usr/bin/env python3
"""A whole web site that signs users in with WeChat through wxtoken. Python's standard library is all it needs.

    wxtoken demo                     and in another terminal, where the `export` lines that it prints are pasted:
    python3 examples/website.py      then open http://127.0.0.1:8000

With a wxtoken of your own, set the variables below. The caller, whose key is WXTOKEN_KEY, needs allow = ["users"] and
return_to = ["http://127.0.0.1:8000/back"]. The site holds no AppSecret and no token.
"""
import hmac
import html
import json
import os
import secrets
import urllib.error
import urllib.parse
import urllib.request
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = os.environ.get("WXTOKEN_URL", "http://127.0.0.1:7200")  # for this program alone
PUBLIC = os.environ.get("WXTOKEN_PUBLIC_URL", "http://127.0.0.1:7203")  # for browsers: base_url of [public]
KEY = os.environ.get("WXTOKEN_KEY", "")
APPID = os.environ.get("WECHAT_APPID", "wx0123456789abcdef")
SCOPE = os.environ.get("WECHAT_SCOPE", "snsapi_userinfo")  # snsapi_base asks for nothing; snsapi_login for a website app
PORT = int(os.environ.get("PORT", "8000"))
SITE = os.environ.get("SITE_URL", f"http://127.0.0.1:{PORT}")  # how browsers call this site
BACK = SITE + "/back"  # letter for letter as in return_to
SECURE = "; Secure" if SITE.startswith("https:") else ""
SESSIONS = {}  # session id -> openid; a real site keeps these in its database, with an end


def wxtoken(method, path, body=None):
    """Status and JSON of an answer. A refusal is application/problem+json: `type` for programs, `detail` for people."""
    request = urllib.request.Request(API + path, method=method, data=body and json.dumps(body).encode())
    request.add_header("Authorization", "Bearer " + KEY)
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        try:
            return refusal.code, json.load(refusal)
        except ValueError:  # not wxtoken's: a proxy's page, or the wrong address
            return 503, {"detail": f"{API} answers {refusal.code}, and not as wxtoken does"}
    except (OSError, ValueError):
        return 503, {"detail": "wxtoken cannot be reached at " + API}


class Site(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        pages = {"/": self.home, "/signin": self.sign_in, "/back": self.come_back, "/signout": self.sign_out}
        pages.get(url.path, self.not_here)(query)

    def home(self, _query):
        openid = SESSIONS.get(self.cookie("session"))
        if openid is None:
            return self.page("Welcome", '<p><a href="/signin">Sign in with WeChat</a></p>')
        status, answer = wxtoken("GET", f"/v1/apps/{APPID}/users/{urllib.parse.quote(openid)}/profile")
        said = "nickname: " + (answer["user"].get("nickname") or "none") if status == 200 else answer.get("detail", "")
        links = '<p><a href="/signin">Ask again</a> · <a href="/signout">Sign out</a></p>'
        self.page("You are signed in", f"<p>openid: <code>{html.escape(openid)}</code></p><p>{html.escape(said)}</p>{links}")

    def sign_in(self, _query):
        state = secrets.token_urlsafe(16)  # ties the way back to this browser
        asked = urllib.parse.urlencode({"return_to": BACK, "scope": SCOPE, "state": state})
        self.go(f"{PUBLIC}/oauth/{APPID}/authorize?{asked}", f"state={state}; Max-Age=900")

    def come_back(self, query):
        kept = self.cookie("state")
        if not kept or not hmac.compare_digest(query.get("state", "").encode(), kept.encode()):
            return self.try_again(f"This was not begun in this browser, or in another tab, or not at {SITE}.", 400)
        if "code" not in query:  # error=access_denied: the user would rather not
            return self.go("/", "state=; Max-Age=0")
        status, user = wxtoken("POST", "/v1/oauth/redeem", {"code": query["code"]})
        if status != 200 or user["appid"] != APPID:
            return self.try_again(user.get("detail", "The code is for another app."), 502)
        session = secrets.token_urlsafe(32)  # a new one at each sign-in
        SESSIONS.pop(self.cookie("session"), None)
        SESSIONS[session] = user["openid"]
        self.go("/", f"session={session}", "state=; Max-Age=0")

    def sign_out(self, _query):
        SESSIONS.pop(self.cookie("session"), None)
        self.go("/", "session=; Max-Age=0")

    def not_here(self, _query):
        self.page("No such page", '<p><a href="/">Home</a></p>', 404)

    def try_again(self, why, status):
        self.page("Please sign in again", f'<p>{html.escape(why)}</p><p><a href="/signin">Sign in with WeChat</a></p>', status)

    def cookie(self, name):
        found = SimpleCookie(self.headers.get("Cookie", "")).get(name)
        return found.value if found else None

    def go(self, to, *cookies):
        self.send_response(302)
        self.send_header("Location", to)
        for cookie in cookies:
            self.send_header("Set-Cookie", f"{cookie}; Path=/; HttpOnly; SameSite=Lax{SECURE}")
        self.end(b"")

    def page(self, title, body, status=200):
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        head = f'<!doctype html><meta name="viewport" content="width=device-width"><title>{title}</title><h1>{title}</h1>'
        self.end((head + body).encode())

    def end(self, body):
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        print(self.command, self.path.split("?")[0], code)  # without the query: codes are nobody's business


if __name__ == "__main__":
    if not KEY:
        raise SystemExit('set WXTOKEN_KEY to the key of a caller with allow = ["users"]')
    print(f"http://127.0.0.1:{PORT}; users come back to {BACK}", flush=True)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", PORT), Site)
    except OSError as error:
        raise SystemExit(f"port {PORT} cannot be used ({error}); set PORT, and return_to with it") from None
    server.serve_forever()
