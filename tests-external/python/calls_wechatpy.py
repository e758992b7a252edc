"""wechatpy, unmodified, makes real calls through the gateway for as long as it is told to: menu, user info,
customer-service message, media up and down, QR code. Prints one JSON object: calls made, errors, and how often the SDK
fetched a token anew.
"""

import io
import json
import os
import threading
import time
import warnings

from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException

warnings.simplefilter("ignore", DeprecationWarning)
URL = os.environ["WXTOKEN_URL"]
KEY = os.environ["VIRTUAL_KEY"]
HONEST = bool(os.environ["HONEST"])
UNTIL = time.monotonic() + float(os.environ["CALLS_FOR"])
PICTURE = bytes(n * 31 % 256 for n in range(40_000))
SCENE = {"expire_seconds": 600, "action_name": "QR_SCENE", "action_info": {"scene": {"scene_id": 7}}}

lock = threading.Lock()
result = {"calls": 0, "errors": [], "refetches": 0}


class Client(WeChatClient):
    API_BASE_URL = URL + "/cgi-bin/"
    fetches = 0

    def fetch_access_token(self):
        self.fetches += 1
        return self._fetch_access_token(URL + "/cgi-bin/token", {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret})


def media(client):
    answer = client.media.upload("image", ("picture.jpg", io.BytesIO(PICTURE), "image/jpeg"))
    got = client.media.download(answer["media_id"])
    if got.content != PICTURE:
        raise AssertionError("the picture did not come back as it was sent")


def make_calls(app):
    # By itself wechatpy repeats a refused call without end: with kills faster than replacements that would hang.
    client = Client(app["appid"], KEY, auto_retry=not HONEST)
    calls = {
        "menu": lambda: client.menu.get(),
        "user": lambda: client.user.get(app["openid"]),
        "message": lambda: client.message.send_text(app["openid"], "hello"),
        "qrcode": lambda: client.qrcode.create(SCENE),
        "media": lambda: media(client),
    }
    while time.monotonic() < UNTIL:
        for name, call in calls.items():
            error = None
            try:
                call()
            except WeChatClientException as refused:
                error = {"name": name, "code": refused.errcode, "text": str(refused.errmsg)[:200]}
            except Exception as broken:  # noqa: BLE001 - whatever it is, it reached the SDK's user
                error = {"name": name, "text": repr(broken)[:200]}
            with lock:
                result["calls"] += 1
                if error:
                    result["errors"].append(error)
        time.sleep(0.02)
    with lock:
        result["refetches"] += 0 if HONEST else client.fetches - 1


threads = [threading.Thread(target=make_calls, args=(app,)) for app in json.loads(os.environ["APPS"])]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(result))
