"""wechatpy with its own RedisStorage reads what the server keeps for it. A fetch would go to an address that refuses."""

import json
import os
import sys

import redis
import wechatpy
from wechatpy import WeChatClient
from wechatpy.session.redisstorage import RedisStorage


class Client(WeChatClient):
    API_BASE_URL = os.environ["NOWHERE"] + "/cgi-bin/"

    def fetch_access_token(self):
        raise RuntimeError("wechatpy fetches a token by itself")


storage = RedisStorage(redis.Redis(port=int(os.environ["REDIS_PORT"])))
client = Client(os.environ["APPID"], "a secret that is never sent", session=storage)
version = wechatpy.__version__
read = {
    f"wechatpy {version}, token": ["access_token", client.access_token],
    f"wechatpy {version}, jsapi ticket": ["jsapi_ticket", client.jsapi.get_jsapi_ticket()],
    f"wechatpy {version}, card ticket": ["card_ticket", client.jsapi.get_jsapi_card_ticket()],
}
json.dump(read, sys.stdout)
