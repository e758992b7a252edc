"""SDKs make real calls through the gateway while another program kills their tokens.

Six apps, half on the stable lane and half on the classic one. First each app's token is killed every twelve seconds, by
foreign forces and foreign classic fetches: no error may reach an SDK's user. Then every second: errors may, but only
WeChat's own, and the budgets must count every call that WeChat saw.

The programs are told by the environment: WXTOKEN_URL, VIRTUAL_KEY, PATH_KEY, APPS (JSON: appid and openid of each), CALLS_FOR
(seconds) and HONEST (1 where errors of WeChat's form may come). They print one JSON object: calls made, and errors.
"""

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from world import HERE, ask, first_json, free_ports, running, wait_for

APPS = 6
# At least this far apart for each app in the first run.
SLOW_GAP = 12.0
SLOW_FOR = 27.0
FAST_GAP = 1.0
FAST_FOR = 20.0
# What a caller may be told while its tokens die faster than they can be replaced: WeChat's codes for a bad token; -1 with
# the reason while there is none.
HONEST_CODES = {40001, 40014, 42001, -1}


def configuration(folder, upstream, apps, keys):
    api, admin = free_ports(2)
    text = f"""
[server]
listen = ["127.0.0.1:{api}"]
[admin]
listen = "127.0.0.1:{admin}"
key = "{keys['admin']}"
[store]
path = "{folder}/data"
[upstream]
base_url = "{upstream}"
fallback_urls = []
[[caller]]
name = "virtual"
key = "{keys['virtual']}"
apps = ["*"]
allow = ["read", "call"]
hands_out = "virtual"
[[caller]]
name = "path"
key = "{keys['path']}"
apps = ["*"]
allow = ["read", "call"]
path_key = true
"""
    for app in apps:
        text += f"[[app]]\nappid = \"{app['appid']}\"\nsecret = \"{app['secret']}\"\n"
        text += f"lanes = [\"{app['lane']}\"]\ntake_over = true\n"
    file = folder / "wxtoken.toml"
    file.touch(mode=0o600)
    file.write_text(text)
    return f"http://127.0.0.1:{api}", f"http://127.0.0.1:{admin}", file


def control(upstream, path, body):
    request = urllib.request.Request(f"{upstream}/_sim/{path}", data=json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class Killer(threading.Thread):
    """Another program with the same AppSecrets: kills each app's token in turn, never one app's sooner than `gap` after."""

    def __init__(self, upstream, apps, gap, seconds):
        super().__init__(daemon=True)
        begin = time.monotonic() + 0.5
        rounds = max(1, int((seconds - 1.5) / gap))
        step = gap / len(apps)
        self.plan = [
            (begin + turn * gap + at * step, app) for turn in range(rounds) for at, app in enumerate(apps)
        ]
        self.upstream = upstream
        self.kills = 0

    def run(self):
        for due, app in self.plan:
            time.sleep(max(0.0, due - time.monotonic()))
            control(self.upstream, f"apps/{app['appid']}/kill", {"lane": app["lane"]})
            self.kills += 1


def programs(venv):
    return {
        "node": (["node", "calls.js"], HERE / "node"),
        "python": ([str(venv / "bin/python"), "calls_wechatpy.py"], HERE / "python"),
    }


def make_calls(chosen, environment, killer):
    """Runs all programs at once beside the killer; what each of them printed, or None where one broke."""
    killer.start()
    started = {
        name: subprocess.Popen(
            command, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        for name, (command, place) in chosen.items()
    }
    told = {}
    for name, process in started.items():
        out, _ = process.communicate(timeout=120)
        told[name] = json.loads(out) if process.returncode == 0 else None
    killer.join()
    return told


def counted_by_wechat(upstream):
    with urllib.request.urlopen(f"{upstream}/_sim/counters", timeout=10) as answer:
        paths = json.load(answer)["calls_by_path"]
    return {
        "classic": paths.get("/cgi-bin/token", 0),
        "stable": paths.get("/cgi-bin/stable_token", 0),
        "probe": paths.get("/cgi-bin/get_api_domain_ip", 0),
    }


def counted_by_us(admin, key):
    used = {}
    over = []
    for app in ask(f"{admin}/admin/apps", key)["apps"]:
        for budget in app["budgets"]:
            used[budget["kind"]] = used.get(budget["kind"], 0) + budget["used"]
            if budget["used"] > budget["limit"]:
                over.append((app["appid"], budget))
    return used, over


def replays(admin, key):
    request = urllib.request.Request(f"{admin}/metrics", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    lines = re.findall(r'^wxtoken_calls_total{[^}]*replayed="true"[^}]*} (\d+)', text, re.M)
    return sum(map(int, lines))


class Report:
    def __init__(self):
        self.number = 0
        self.failed = False

    def say(self, good, text, detail=""):
        self.number += 1
        self.failed |= not good
        print(f"{'ok' if good else 'not ok'} {self.number} - {text}", flush=True)
        if not good and detail:
            print(f"# {detail}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("programs", nargs="+", choices=["node", "python"])
    arguments = parser.parse_args()
    chosen = {name: how for name, how in programs(arguments.venv).items() if name in arguments.programs}
    keys = {name: secrets.token_hex(16) for name in ("admin", "virtual", "path")}
    report = Report()
    with tempfile.TemporaryDirectory(prefix="wxtoken-calls-") as name:
        folder = Path(name)
        simulate = [
            arguments.binary, "simulate", "--quiet", "--json", "--apps", str(APPS), "--listen", "127.0.0.1:0",
        ]  # fmt: skip
        logs = {"simulate": folder / "simulate.log", "serve": folder / "serve.log"}
        with running(simulate, logs["simulate"]) as simulator:
            told = wait_for(
                "the simulator tells its address", simulator, logs["simulate"], lambda: first_json(logs["simulate"])
            )
            upstream = told["base_url"]
            apps = [
                {**app, "lane": "stable" if at % 2 else "classic"} for at, app in enumerate(told["apps"])
            ]
            hub, admin, config = configuration(folder, upstream, apps, keys)
            with running([arguments.binary, "serve", "--config", config], logs["serve"]) as server:
                for app in apps:
                    url = f"{hub}/v1/apps/{app['appid']}/access_token"
                    wait_for("every app has a token", server, logs["serve"], lambda: ask(url, keys["path"]))
                    user = control(upstream, f"apps/{app['appid']}/code", {"user": "alice", "for": "web"})
                    app["openid"] = user["openid"]
                environment = {
                    **os.environ,
                    "WXTOKEN_URL": hub,
                    "VIRTUAL_KEY": keys["virtual"],
                    "PATH_KEY": keys["path"],
                    "APPS": json.dumps([{key: app[key] for key in ("appid", "openid")} for app in apps]),
                }
                for honest, gap, seconds in ((False, SLOW_GAP, SLOW_FOR), (True, FAST_GAP, FAST_FOR)):
                    before = replays(admin, keys["admin"])
                    killer = Killer(upstream, apps, gap, seconds)
                    environment |= {"CALLS_FOR": str(seconds), "HONEST": "1" if honest else ""}
                    told = make_calls(chosen, environment, killer)
                    again = replays(admin, keys["admin"]) - before
                    what = f"killed {killer.kills} times, {gap:.0f} s apart"
                    for program, result in told.items():
                        if result is None:
                            report.say(False, f"{program}, {what}: it broke")
                            continue
                        errors = result["errors"]
                        allowed = HONEST_CODES if honest else set()
                        bad = [error for error in errors if error.get("code") not in allowed]
                        kind = "dishonest errors" if honest else "errors"
                        report.say(
                            not bad and result["calls"] > 100,
                            f"{program}, {what}: {result['calls']} calls, {len(errors)} of them answered with WeChat's"
                            f" own refusal, {len(bad)} {kind}" if honest else
                            f"{program}, {what}: {result['calls']} calls, {len(bad)} {kind}",
                            json.dumps(bad[:5]),
                        )
                        if not honest:
                            report.say(
                                result["refetches"] == 0,
                                f"{program}: no SDK saw a reason to fetch a token anew ({result['refetches']})",
                            )
                    report.say(
                        again >= (1 if honest else killer.kills), f"{again} calls were made again by the gateway"
                    )
                deadline = time.monotonic() + 20
                while True:
                    ours, over = counted_by_us(admin, keys["admin"])
                    theirs = counted_by_wechat(upstream)
                    same = all(ours.get(kind, 0) == count for kind, count in theirs.items())
                    if same or time.monotonic() > deadline:
                        break
                    time.sleep(0.2)
                report.say(same, f"the budgets count what WeChat saw: {theirs}", f"ours: {ours}")
                report.say(not over, "no budget is exceeded", str(over))
        if report.failed:
            text = logs["serve"].read_text().splitlines()
            told = [line for line in text if "WARN" in line or "ERROR" in line or '"level":"WARN"' in line]
            print("tests-external: the server said:\n" + "\n".join(told[-40:]))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
