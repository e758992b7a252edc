"""Starts the simulator and a server with one app, then each foreign program against them.

The programs are told where things are by the environment: WXTOKEN_URL, WXTOKEN_KEY, UPSTREAM_URL, APPID,
PROPERTIES_FILE. Everything listens on loopback, lives in a temporary folder, and ends with this program.
"""

import argparse
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATIENCE = 60.0


def free_ports(count):
    """As many different ports nobody listens on: all are held until the last is found."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def ask(url, key):
    """JSON by HTTP; None while nobody answers well."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except (urllib.error.URLError, ConnectionError, ValueError):
        return None


def first_json(log):
    """The first line of a log that is a whole JSON object; None while there is none."""
    for line in log.read_text().splitlines():
        with contextlib.suppress(ValueError):
            return json.loads(line)
    return None


@contextlib.contextmanager
def running(command, log, environment=None):
    """A process that is stopped by its own id when the block ends."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=log.parent, env=environment
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(what, process, log, done):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"tests-external: {what}: the process ended with {process.returncode}:\n{log.read_text()}")
        answer = done()
        if answer:
            return answer
        time.sleep(0.05)
    sys.exit(f"tests-external: {what}: not after {PATIENCE:.0f} s:\n{log.read_text()}")


def write_configuration(folder, upstream, app, key, kinds, copies, caller=""):
    """The file of a server with one app and one caller, each with lines of its own; where its API listens."""
    api, admin = free_ports(2)
    text = f"""
[server]
listen = ["127.0.0.1:{api}"]
[admin]
listen = "127.0.0.1:{admin}"
key = "{secrets.token_hex(16)}"
[store]
path = "{folder}/data"
[upstream]
base_url = "{upstream}"
fallback_urls = []
[[app]]
appid = "{app['appid']}"
name = "shop"
type = "official"
secret = "{app['secret']}"
kinds = {json.dumps(kinds)}
{copies}
[[caller]]
name = "sdk"
key = "{key}"
apps = ["{app['appid']}"]
allow = ["read"]
{caller}
"""
    file = folder / "wxtoken.toml"
    file.touch(mode=0o600)
    file.write_text(text)
    return f"http://127.0.0.1:{api}", file


def configuration(folder, upstream, app, key):
    properties = folder / "token.properties"
    copy = f'[[app.file]]\npath = "{properties}"\nformat = "properties"\nkind = "access_token"'
    kinds = ["access_token", "jsapi_ticket"]
    hub, file = write_configuration(folder, upstream, app, key, kinds, copy, "path_key = true")
    return hub, file, properties


def commands(venv):
    return {
        "node": (["node", "--test", "--test-reporter=tap", "sdk.test.js"], HERE / "node"),
        "python": ([str(venv / "bin/python"), "test_wechatpy.py"], HERE / "python"),
        "java": (["java", "ReadsProperties.java"], HERE / "java"),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("programs", nargs="+", choices=["node", "python", "java"])
    arguments = parser.parse_args()

    key = secrets.token_hex(16)
    failed = []
    with tempfile.TemporaryDirectory(prefix="wxtoken-external-") as name:
        folder = Path(name)
        simulate = [arguments.binary, "simulate", "--quiet", "--json", "--apps", "1", "--listen", "127.0.0.1:0"]
        logs = {"simulate": folder / "simulate.log", "serve": folder / "serve.log"}
        with running(simulate, logs["simulate"]) as simulator:
            told = wait_for(
                "the simulator tells its address", simulator, logs["simulate"], lambda: first_json(logs["simulate"])
            )
            upstream, app = told["base_url"], told["apps"][0]
            hub, config, properties = configuration(folder, upstream, app, key)
            with running([arguments.binary, "serve", "--config", config], logs["serve"]) as server:
                for kind in ("access_token", "jsapi_ticket"):
                    url = f"{hub}/v1/apps/{app['appid']}/{kind}"
                    wait_for(f"the server has the {kind}", server, logs["serve"], lambda: ask(url, key))
                wait_for("the file is written", server, logs["serve"], properties.exists)
                environment = {
                    **os.environ,
                    "WXTOKEN_URL": hub,
                    "WXTOKEN_KEY": key,
                    "UPSTREAM_URL": upstream,
                    "APPID": app["appid"],
                    "PROPERTIES_FILE": str(properties),
                }
                for program in arguments.programs:
                    print(f"-- {program}", flush=True)
                    command, place = commands(arguments.venv)[program]
                    if subprocess.run(command, cwd=place, env=environment, stdin=subprocess.DEVNULL).returncode != 0:
                        failed.append(program)
        if failed:
            print(f"tests-external: failed: {', '.join(failed)}; the server said:\n{logs['serve'].read_text()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
