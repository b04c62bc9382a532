#!/usr/bin/env python3
"""Plays Claude Code in a repository: asks before it writes a file, or works until it is stopped."""
import json, os, re, sys, time, urllib.request, uuid

args = sys.argv[1:]
if "--version" in args:
    print("2.1.0 (Claude Code)")
    sys.exit()
message = json.loads(sys.stdin.readline())["message"]["content"]
text = message if isinstance(message, str) else "\n".join(part.get("text", "") for part in message)
option = lambda name: args[args.index(name) + 1]
session = option("--resume") if "--resume" in args else str(uuid.uuid4())


def say(**line):
    print(json.dumps({**line, "session_id": session}), flush=True)


def turn(number, words, fresh, written):
    usage = {"input_tokens": fresh, "output_tokens": written}
    content = [{"type": "text", "text": words}]
    body = {"id": f"msg_{number}", "role": "assistant", "model": "m", "content": content, "usage": usage}
    say(type="assistant", message=body)


def call(name, arguments):
    put = lambda word: re.sub(r"\$\{(\w+)\}", lambda found: os.environ[found.group(1)], word)
    server = json.loads(option("--mcp-config"))["mcpServers"]["quintet"]
    headers = {key: put(value) for key, value in server["headers"].items()}
    headers |= {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    params = {"name": name, "arguments": arguments}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    request = urllib.request.Request(put(server["url"]), json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        for line in answer:
            line = line.removeprefix(b"data: ").strip()
            if line.startswith(b"{") and json.loads(line).get("id") == 1:
                return json.loads(json.loads(line)["result"]["content"][0]["text"])


say(type="system", subtype="init", model="m", cwd=os.getcwd())
case = re.findall(r"case=(\w+)", text)[-1]
if case == "edit":
    turn(1, "I write the file.", 1000, 100)
    edit = {"file_path": os.path.join(os.getcwd(), "main.txt"), "content": "edited"}
    prompt = {"tool_name": "Write", "input": edit, "tool_use_id": "toolu_1"}
    word = call(option("--permission-prompt-tool").split("__")[-1], prompt)
    if word["behavior"] == "allow":
        with open(word["updatedInput"]["file_path"], "w") as out:
            out.write(word["updatedInput"]["content"])
    turn(2, "Written.", 500, 20)
    usage = {"input_tokens": 1500, "output_tokens": 120}
    result = "behavior: " + word["behavior"]
    say(type="result", subtype="success", is_error=False, result=result, total_cost_usd=0.02, usage=usage)
else:
    turn(1, "Run the tests", 1000, 100)
    time.sleep(3600)
