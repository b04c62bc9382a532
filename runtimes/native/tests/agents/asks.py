#!/usr/bin/env python3
"""Plays Claude Code that wants to edit a file: asks as its arguments say, and edits when allowed."""
import json, os, re, sys, urllib.error, urllib.request

args = sys.argv[1:]
message = sys.stdin.read()
option = lambda name: args[args.index(name) + 1]
put = lambda text: re.sub(r"\$\{(\w+)\}", lambda found: os.environ[found.group(1)], text)
server = json.loads(option("--mcp-config"))["mcpServers"]["quintet"]
_, name, tool = option("--permission-prompt-tool").split("__")
url = put(server["url"])
said = []


def post(url, headers, body):
    # A run cannot say that it is another one.
    forged = {"X-Quintet-Agent": "forged", "X-Quintet-Task": "forged"}
    fixed = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    request = urllib.request.Request(url, json.dumps(body).encode(), {**headers, **fixed, **forged})
    with urllib.request.urlopen(request) as answer:
        if "event-stream" not in answer.headers["content-type"]:
            return json.load(answer)
        for line in answer:
            if line.startswith(b"data: ") and json.loads(line[6:]).get("id") == body["id"]:
                return json.loads(line[6:])


def call(method, params):
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return post(url, {name: put(value) for name, value in server["headers"].items()}, body)["result"]


def refused(url, headers):
    try:
        return post(url, headers, {"jsonrpc": "2.0", "id": 1, "method": "ping"})
    except urllib.error.HTTPError as error:
        return error.code


bearer = put(server["headers"]["Authorization"])
said.append(f"no token: {refused(url, {})}")
said.append(f"elsewhere: {refused(url.replace('/mcp', '/api/approve'), {'Authorization': bearer})}")
said.append(f"below: {refused(url + '/x', {'Authorization': bearer})}")
assert call("initialize", {"protocolVersion": "2025-11-25"})["serverInfo"]["name"] == name
assert tool in [known["name"] for known in call("tools/list", {})["tools"]]
file = re.search(r"file=(\S+?)[\s\"\\]", message + " ").group(1)
edit = {"file_path": file, "content": "edited"}
prompt = {"tool_name": "Write", "input": edit, "tool_use_id": "toolu_1"}
answer = call("tools/call", {"name": tool, "arguments": prompt})
word = json.loads(answer["content"][0]["text"])
if word["behavior"] == "allow":
    with open(word["updatedInput"]["file_path"], "w") as out:
        out.write(word["updatedInput"]["content"])
said.append(f"behavior: {word['behavior']} {word.get('message', '')}")
said += args + [f"{name}={value}" for name, value in os.environ.items()]
result = {"type": "result", "subtype": "success", "is_error": False, "total_cost_usd": 0.02}
print(json.dumps({**result, "result": "\n".join(said)}), flush=True)
