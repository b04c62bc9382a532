#!/usr/bin/env python3
"""Plays an agent that speaks the Agent Client Protocol; the message names what it does."""
import json, os, re, sys, time

if "--version" in sys.argv:
    print("acp-agent 1.2.3")
    sys.exit()
sessions = os.path.join(os.environ["HOME"], "sessions")
os.makedirs(sessions, exist_ok=True)
state = {"cancelled": False, "session": None, "turn": None, "asked": 0}


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def reply(request, result):
    send({"id": request["id"], "result": result})


def update(**fields):
    send({"method": "session/update", "params": {"sessionId": state["session"], "update": fields}})


def say(text):
    update(sessionUpdate="agent_message_chunk", content={"type": "text", "text": text})


def cost(dollars):
    update(sessionUpdate="usage_update", used=1, size=2, cost={"amount": dollars, "currency": "USD"})


def messages():
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("method") == "session/cancel":
            state["cancelled"] = True
            with open("cancelled", "a") as out:
                out.write("session/cancel\n")
        yield message


incoming = messages()


def permission(path):
    """The chosen option, for a write of this file."""
    state["asked"] += 1
    call = {"toolCallId": "call-1", "title": "Write " + path, "kind": "edit"}
    update(sessionUpdate="tool_call", status="pending", **call)
    raw = {"path": path, "content": "edited"}
    kinds = ["allow_always", "allow_once", "reject_once"]
    options = [{"optionId": "o-" + kind, "name": kind, "kind": kind} for kind in kinds]
    params = {"sessionId": state["session"], "options": options}
    params["toolCall"] = {"toolCallId": "call-1", "rawInput": raw}
    send({"id": "ask-1", "method": "session/request_permission", "params": params})
    for message in incoming:
        if message.get("id") == "ask-1":
            outcome = message["result"]["outcome"]
            return outcome.get("optionId", outcome["outcome"])


def file_of(session):
    return os.path.join(sessions, session)


def prompt(request):
    text = "\n".join(block["text"] for block in request["params"]["prompt"])
    with open(file_of(state["session"]), "a") as out:
        out.write(text + "\n")
    found = re.search(r"case=(\w+)", text.split("[The message]")[-1])
    case = found.group(1) if found else "word"
    if case == "word":
        with open(file_of(state["session"])) as known:
            word = "kangaroo" if "kangaroo" in known.read() else "none"
        update(sessionUpdate="agent_thought_chunk", content={"type": "text", "text": "Thinking."})
        update(sessionUpdate="tool_call", toolCallId="c", title="Look it up", kind="search")
        say(state["how"] + ": ")
        say(word)
        cost(state["before"] + 0.02)
    elif case == "edit":
        path = re.search(r"file=(\S+)", text).group(1)
        word = permission(path)
        if word == "o-allow_once":
            with open(path, "w") as out:
                out.write("edited")
        say("chosen: " + word)
        cost(0.02)
    elif case == "runaway":
        say("Half of it works.")
        for dollars in [0.1, 0.4, 0.9, 5.0, 6.0, 7.0]:
            cost(dollars)
            time.sleep(0.3)
        time.sleep(3600)
    elif case in ["hang", "test"]:
        say("Working on it.")
        if case == "test":
            update(sessionUpdate="tool_call", toolCallId="t", title="Run the tests", kind="execute")
        with open("begun", "w") as out:
            out.write("begun")
        for message in incoming:
            if state["cancelled"]:
                cost(0.3)
                reply(request, {"stopReason": "cancelled"})
                time.sleep(3600)
    elif case == "flood":
        with open("begun", "w") as out:
            out.write("begun")
        line = json.dumps({"jsonrpc": "2.0", "method": "x", "params": [[]] * 2000}) + "\n"
        while True:
            sys.stdout.write(line * 16)
            sys.stdout.flush()
    elif case == "malformed":
        say("Half of it works.")
        sys.stdout.write('{"jsonrpc":"2.0","method":"session/upd\n')
        sys.stdout.flush()
        time.sleep(3600)
    elif case == "endless":
        while True:
            sys.stdout.write("x" * 65536)
            sys.stdout.flush()
    elif case == "crash":
        say("Half of it works.")
        cost(0.25)
        sys.stderr.write("panic: out of memory\n")
        os._exit(3)
    reply(request, {"stopReason": "end_turn"})


for message in incoming:
    method = message.get("method")
    if method == "initialize":
        capabilities = {"loadSession": True, "mcpCapabilities": {"http": True}}
        reply(message, {"protocolVersion": 1, "agentCapabilities": capabilities})
    elif method == "session/new" and os.path.exists(os.path.join(os.environ["HOME"], "signed-out")):
        send({"id": message["id"], "error": {"code": -32000, "message": "Authentication required"}})
    elif method == "session/new":
        assert message["params"]["cwd"] == os.getcwd(), message
        state.update(session="s-" + os.urandom(8).hex(), how="new", before=0.0)
        open(file_of(state["session"]), "w").close()
        reply(message, {"sessionId": state["session"]})
    elif method == "session/load" and os.path.exists(file_of(message["params"]["sessionId"])):
        state.update(session=message["params"]["sessionId"], how="resumed", before=0.02)
        say("An answer of long ago.")
        reply(message, None)
    elif method == "session/load":
        send({"id": message["id"], "error": {"code": -32002, "message": "Session not found"}})
    elif method == "session/prompt":
        prompt(message)
    elif "id" in message:
        send({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}})
