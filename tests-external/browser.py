"""Starts the simulator and a server with a public listener, then lets a real browser sign people in through the relay.

Two sites share the one callback domain: one is examples/website.py as it stands, the other belongs to the test. The relay
speaks TLS, as browsers want it for its cookie, under a certificate made for this run. Everything listens on loopback, lives
in a temporary folder, and ends with this program.
"""

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from world import HERE, ask, first_json, free_ports, running, wait_for

EXAMPLE = HERE.parent / "examples" / "website.py"


def certificate(folder):
    """A certificate for `localhost`, and its key."""
    cert, key = folder / "relay.crt", folder / "relay.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    key.chmod(0o600)
    return cert, key


def configuration(folder, upstream, app, ports, keys):
    cert, key = certificate(folder)
    callers = "".join(
        f"""
[[caller]]
name = "{name}"
key = "{keys[name]}"
apps = ["{app['appid']}"]
allow = ["users"]
return_to = ["http://127.0.0.1:{ports[name]}/back"]
"""
        for name in ("example", "forum")
    )
    text = f"""
[server]
listen = "127.0.0.1:{ports['api']}"
[admin]
listen = "127.0.0.1:{ports['admin']}"
key = "{secrets.token_hex(16)}"
[public]
listen = "127.0.0.1:{ports['public']}"
base_url = "https://localhost:{ports['public']}"
tls = {{ cert = "{cert}", key = "{key}" }}
[store]
path = "{folder}/data"
[upstream]
base_url = "{upstream}"
fallback_urls = []
open_url = "{upstream}"
[[app]]
appid = "{app['appid']}"
name = "shop"
type = "official"
secret = "{app['secret']}"
{callers}"""
    file = folder / "wxtoken.toml"
    file.touch(mode=0o600)
    file.write_text(text)
    return file


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=5).close()
        return True
    except urllib.error.HTTPError:
        return True
    except (urllib.error.URLError, ConnectionError):
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    arguments = parser.parse_args()
    names = ("api", "admin", "public", "example", "forum")
    ports = dict(zip(names, free_ports(len(names))))
    keys = {name: secrets.token_hex(16) for name in ("example", "forum")}
    with tempfile.TemporaryDirectory(prefix="wxtoken-browser-") as name:
        folder = Path(name)
        logs = {program: folder / f"{program}.log" for program in ("simulate", "serve", "example")}
        simulate = [arguments.binary, "simulate", "--quiet", "--json", "--apps", "1", "--listen", "127.0.0.1:0"]
        with running(simulate, logs["simulate"]) as simulator:
            told = wait_for(
                "the simulator tells its address", simulator, logs["simulate"], lambda: first_json(logs["simulate"])
            )
            upstream, app = told["base_url"], told["apps"][0]
            config = configuration(folder, upstream, app, ports, keys)
            api, relay = f"http://127.0.0.1:{ports['api']}", f"https://localhost:{ports['public']}"
            environment = {
                **os.environ,
                "WXTOKEN_URL": api,
                "WXTOKEN_PUBLIC_URL": relay,
                "UPSTREAM_URL": upstream,
                "APPID": app["appid"],
            }
            with running([arguments.binary, "serve", "--config", config], logs["serve"]) as server:
                token = f"{api}/v1/apps"
                wait_for("the server answers", server, logs["serve"], lambda: ask(token, keys["forum"]))
                site = f"http://127.0.0.1:{ports['example']}"
                of_example = {
                    **environment,
                    "WXTOKEN_KEY": keys["example"],
                    "WECHAT_APPID": app["appid"],
                    "PORT": str(ports["example"]),
                }
                with running([sys.executable, "-u", EXAMPLE], logs["example"], of_example) as example:
                    wait_for("the example site answers", example, logs["example"], lambda: answers(site))
                    command = ["node", "--test", "--test-reporter=tap", "relay.test.mjs"]
                    of_tests = {
                        **environment,
                        "EXAMPLE_URL": site,
                        "FORUM_KEY": keys["forum"],
                        "FORUM_PORT": str(ports["forum"]),
                    }
                    code = subprocess.run(
                        command, cwd=HERE / "browser", env=of_tests, stdin=subprocess.DEVNULL
                    ).returncode
                    if code != 0:
                        said = "\n".join(log.read_text() for log in logs.values())
                        print(f"tests-external: the browser's tests failed; the programs said:\n{said}")
                    return code


if __name__ == "__main__":
    sys.exit(main())
