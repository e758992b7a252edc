"""wechatpy, unmodified, gets its token from a running wxtoken and calls one WeChat API with it.

wechatpy's business calls follow API_BASE_URL, but the address of its token fetch is written into the method itself, so
that one method is overridden: the two lines below.
"""

import os
import time
import unittest

import requests
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException

WXTOKEN_URL = os.environ["WXTOKEN_URL"]
WXTOKEN_KEY = os.environ["WXTOKEN_KEY"]
UPSTREAM_URL = os.environ["UPSTREAM_URL"]
APPID = os.environ["APPID"]


class Client(WeChatClient):
    API_BASE_URL = UPSTREAM_URL + "/cgi-bin/"

    def fetch_access_token(self):
        return self._fetch_access_token(WXTOKEN_URL + "/cgi-bin/token", {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret})


class HubTicketClient(Client):
    API_BASE_URL = WXTOKEN_URL + "/k/" + WXTOKEN_KEY + "/cgi-bin/"


def handed_out(kind):
    """What the server itself says the value is."""
    answer = requests.get(
        f"{WXTOKEN_URL}/v1/apps/{APPID}/{kind}", headers={"Authorization": f"Bearer {WXTOKEN_KEY}"}, timeout=10
    )
    answer.raise_for_status()
    credential = answer.json()
    return credential.get("access_token") or credential["ticket"]


class Wechatpy(unittest.TestCase):
    def test_the_token_comes_from_wxtoken_and_wechat_accepts_it(self):
        client = Client(APPID, WXTOKEN_KEY)
        self.assertTrue(client.misc.get_wechat_ips())
        self.assertEqual(client.access_token, handed_out("access_token"))

    def test_the_token_is_kept_for_no_longer_than_it_lives(self):
        client = Client(APPID, WXTOKEN_KEY)
        client.fetch_access_token()
        self.assertTrue(0 < client.expires_at - time.time() <= 7200)

    def test_the_jsapi_ticket_comes_with_the_caller_key_in_the_path(self):
        client = HubTicketClient(APPID, WXTOKEN_KEY)
        self.assertEqual(client.jsapi.get_jsapi_ticket(), handed_out("jsapi_ticket"))

    def test_a_key_that_is_none_is_refused_as_a_wrong_secret_is(self):
        client = Client(APPID, "0123456789abcdef0123456789abcdef")
        with self.assertRaises(WeChatClientException) as refused:
            client.fetch_access_token()
        self.assertEqual(refused.exception.errcode, 40125)


if __name__ == "__main__":
    unittest.main(verbosity=2)
