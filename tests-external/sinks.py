"""SDKs and cache libraries read what the server wrote into Redis for them, and fetch nothing themselves.

A real redis-server, the simulator, and a server with one [[app.redis]] for each format that can be read here. Each program
prints one JSON object, what it read by name; it must be what the server hands out. The programs are told by the environment:
REDIS_PORT, APPID, WXTOKEN_KEY and NOWHERE (an address that refuses connections). The simulator's count of token calls must
not change while they run.
"""

import argparse
import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from world import HERE, ask, first_json, free_ports, running, wait_for, write_configuration

TOKEN = "access_token"
JSAPI = "jsapi_ticket"
CARD = "card_ticket"
# How many keys are written: one for each copy below, and the ends of wechatpy's three.
KEYS = "16"
MINTING = ("/cgi-bin/token", "/cgi-bin/stable_token", "/cgi-bin/ticket/getticket")


def copies(redis):
    """What is kept: format, kind, and more keys of [[app.redis]]."""
    secret = 'secret_from = "caller:sdk"'
    node = 'key = "official_account.access_token.{appid}.{secret}.0"\n' + secret
    rows = [
        ("wechatpy", TOKEN, ""),
        ("wechatpy", JSAPI, ""),
        ("wechatpy", CARD, ""),
        ("easywechat6", TOKEN, secret),
        ("easywechat6", TOKEN, secret + "\nstable_mode = true"),
        ("easywechat6", JSAPI, ""),
        ("easywechat5", TOKEN, secret),
        ("easywechat5", JSAPI, ""),
        ("easywechat5", CARD, ""),
        ("co-wechat-api", TOKEN, 'key = "shop:{appid}:{kind}"'),
        ("co-wechat-api", JSAPI, 'key = "shop:{appid}:{kind}"'),
        ("raw", TOKEN, node),
        ("raw", JSAPI, 'key = "official_account.jsapi_ticket.{appid}"'),
    ]
    head = f'[[app.redis]]\nurl = "redis://127.0.0.1:{redis}"\n'
    return "".join(f'{head}format = "{name}"\nkind = "{kind}"\n{more}\n' for name, kind, more in rows)


def words(port, *command):
    """What redis-cli prints; None while Redis does not answer."""
    done = subprocess.run(["redis-cli", "-p", str(port), *command], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def minted(upstream):
    with urllib.request.urlopen(f"{upstream}/_sim/counters", timeout=10) as answer:
        paths = json.load(answer)["calls_by_path"]
    return sum(paths.get(path, 0) for path in MINTING)


def readers(venv):
    python = [venv / "bin/python", "reads_redis.py"]
    second = [venv.with_name("venv2") / "bin/python", "reads_redis.py"]
    return {
        "python": [(python, HERE / "python"), (second, HERE / "python")],
        "node": [(["node", "reads_redis.js"], HERE / "node")],
        "php": [(["php", "reads_redis.php"], HERE / "php")],
    }


def wrong_readings(program, commands, environment, expected):
    for command, place in commands:
        done = subprocess.run(
            [str(word) for word in command], cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=60
        )
        if done.returncode != 0:
            yield f"{program}: ended with {done.returncode}"
            continue
        read = json.loads(done.stdout)
        if len(read) < 3:
            yield f"{program}: read only {sorted(read)}"
        for name, (kind, value) in read.items():
            good = value == expected[kind]
            print(f"  {'reads' if good else 'MISSES'} {name}")
            if not good:
                yield f"{program}: {name} is not the server's {kind}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("programs", nargs="+", choices=["node", "python", "php"])
    arguments = parser.parse_args()

    key = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="wxtoken-sinks-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        redis, nowhere = free_ports(2)
        log = {what: folder / f"{what}.log" for what in ("redis", "simulate", "serve")}
        command = ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = stack.enter_context(running(command, log["redis"]))
        wait_for("Redis answers", server, log["redis"], lambda: words(redis, "PING") == "PONG")
        simulate = [arguments.binary, "simulate", "--quiet", "--json", "--apps", "1", "--listen", "127.0.0.1:0"]
        simulator = stack.enter_context(running(simulate, log["simulate"]))
        told = wait_for("the simulator tells its address", simulator, log["simulate"], lambda: first_json(log["simulate"]))
        upstream, app = told["base_url"], told["apps"][0]
        hub, config = write_configuration(folder, upstream, app, key, [TOKEN, JSAPI, CARD], copies(redis))
        serve = stack.enter_context(running([arguments.binary, "serve", "--config", config], log["serve"]))
        expected = {}
        for kind in (TOKEN, JSAPI, CARD):
            url = f"{hub}/v1/apps/{app['appid']}/{kind}"
            answer = wait_for(f"the server has the {kind}", serve, log["serve"], lambda url=url: ask(url, key))
            expected[kind] = answer.get("access_token") or answer["ticket"]
        wait_for("all copies are written", serve, log["serve"], lambda: words(redis, "DBSIZE") == KEYS)
        calls = minted(upstream)
        environment = {
            **os.environ,
            "REDIS_PORT": str(redis),
            "APPID": app["appid"],
            "WXTOKEN_KEY": key,
            "NOWHERE": f"http://127.0.0.1:{nowhere}",
        }
        wrong = []
        chosen = readers(arguments.venv)
        for program in arguments.programs:
            wrong.extend(wrong_readings(program, chosen[program], environment, expected))
        if minted(upstream) != calls:
            wrong.append("somebody fetched from WeChat")
        if words(redis, "DBSIZE") != KEYS:
            wrong.append("a program wrote into Redis, or removed something")
        for one in wrong:
            print(f"tests-external: {one}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
