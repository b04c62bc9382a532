#!/usr/bin/env python3
"""Plays one way in which an agent's program may end: the one that the message names."""
import sys, os, time, json, subprocess, re
text=sys.stdin.read()
m=re.search(r"case=(\w+)",text); case=m.group(1) if m else "none"
w=lambda s: (sys.stdout.write(s), sys.stdout.flush())
J=lambda o: w(json.dumps(o)+"\n")
init=lambda: J({"type":"system","subtype":"init","session_id":"s-1","tools":[]})
asst=lambda t,**k: J(dict({"type":"assistant","message":{"id":"m1","model":"claude-sonnet-4-5","content":[{"type":"text","text":t}],"usage":{"input_tokens":200000,"output_tokens":10000}}},**k))
res=lambda t="Fixed.",cost=0.02,**k: J(dict({"type":"result","subtype":"success","is_error":False,"result":t,"total_cost_usd":cost,"usage":{"input_tokens":5,"output_tokens":3}},**k))
if case=="result_then_hang": init(); asst("Looking."); res("All 12 tests pass now.",5.57); time.sleep(3600)
elif case=="orphan_mcp":
    subprocess.Popen(["/bin/sh","-c","exec setsid sleep 3333"],stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL); init(); res("done orphan")
elif case=="orphan_holds_stdout":
    subprocess.Popen(["setsid","sleep","3334"]); init(); res("done holding")
elif case=="chunks":
    b=json.dumps({"type":"result","subtype":"success","is_error":False,"result":"grüße 日本 🎉 done","total_cost_usd":0.01},ensure_ascii=False).encode()
    for i in range(0,len(b),7): os.write(1,b[i:i+7]); time.sleep(.02)
elif case=="bad_utf8": os.write(1,b'{"type":"result","subtype":"success","is_error":false,"result":"caf\xe9 ok \xff","total_cost_usd":0.01}\n')
elif case=="big_tool_results":
    init(); asst("Reading the log.")
    for i in range(30): J({"type":"user","message":{"content":[{"type":"tool_result","content":"x"*40000}]}})
    asst("Found it."); res("The bug is in line 7.",1.90)
elif case=="success_exit1": init(); res("Fixed the login bug.",0.40); sys.stderr.write("MCP server planetscale needs-auth\n"); sys.exit(1)
elif case=="limit_plain_exit0": print("API Error: Rate limit reached"); sys.exit(0)
elif case=="is_error_success": init(); J({"type":"result","subtype":"success","is_error":True,"result":"API Error: Rate limit reached","total_cost_usd":0})
elif case=="overloaded": init(); J({"type":"result","subtype":"success","is_error":True,"result":"API Error: 529 {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}","total_cost_usd":0.11}); sys.exit(1)
elif case=="cumulative": init(); res("turn 1",0.25); res("turn 2",0.28)
elif case=="max_turns": init(); asst("half way"); J({"type":"result","subtype":"error_max_turns","is_error":True,"total_cost_usd":1.0,"num_turns":20}); sys.exit(1)
elif case=="crash_after_work": init(); [asst(f"step {i}") for i in range(3)]; os.kill(os.getpid(),9)
elif case=="exit1_no_cost": asst("step"); sys.exit(1)
elif case=="codex_usage":
    J({"type":"thread.started","thread_id":"t"}); J({"type":"turn.started"}); J({"type":"item.completed","item":{"id":"i0","type":"agent_message","text":"It was the cache."}}); J({"type":"turn.completed","usage":{"input_tokens":1000000,"cached_input_tokens":0,"output_tokens":100000}})
elif case=="codex_item_error":
    J({"type":"thread.started","thread_id":"t"}); J({"type":"item.completed","item":{"id":"i0","type":"error","message":"model metadata missing, defaults used"}}); J({"type":"error","message":"Reconnecting... 1/5"}); J({"type":"item.completed","item":{"id":"i1","type":"agent_message","text":"All good."}})
elif case=="codex_stderr_error": sys.stderr.write("ERROR codex_models_manager::cache: failed\n"); J({"type":"item.completed","item":{"type":"agent_message","text":"Scored 8/10."}}); J({"type":"turn.completed","usage":{"input_tokens":1}})
elif case=="stdout_noise": print("npm warn deprecated foo@1"); print("Debugger attached."); init(); res("clean answer")
elif case=="json_array": print(json.dumps([{"type":"system","subtype":"init"},{"type":"assistant","message":{"content":[{"type":"text","text":"hm"}]}},{"type":"result","subtype":"success","is_error":False,"result":"Array answer.","total_cost_usd":0.33}]))
elif case=="gemini_json": print(json.dumps({"session_id":"x","response":"The sky is blue.","stats":{"models":{}}},indent=2))
elif case=="gemini_stream": [J({"type":"init","session_id":"x"}),J({"type":"message","role":"assistant","content":"The sky is blue.","delta":True}),J({"type":"result","status":"success","stats":{"total_tokens":10}})]
elif case=="asks": init(); J({"type":"result","subtype":"success","is_error":False,"result":"Should I drop the column or keep it? Please answer A or B.","total_cost_usd":0.02})
elif case=="stdin_tty":
    try: open("/dev/tty"); print("tty there")
    except OSError as e: print("no tty:",e)
elif case=="silent": pass
elif case=="huge_line": init(); res("y"*900000,0.02)
elif case=="ansi": print("\x1b[32m✔\x1b[0m Tests \x1b[1mpassed\x1b[0m\x1b[2K\r done")
elif case=="control": init(); J({"type":"control_request","request_id":"r1","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"rm -rf build"}}}); time.sleep(6); res("gave up waiting")
elif case=="slow": init(); asst("deploying"); time.sleep(25); res("deployed",0.5)
elif case=="neg_cost": J({"type":"result","subtype":"success","result":"neg","total_cost_usd":-5})
elif case=="str_cost": J({"type":"result","subtype":"success","result":"str","total_cost_usd":"0.5"})
elif case=="limit_plain_exit1": print("You've hit your limit · resets 1am"); sys.exit(1)
elif case=="hang_no_result": init(); asst("Half of it works."); time.sleep(3600)
elif case=="empty_result": init(); asst("I renamed the file."); res("",0.03)
elif case=="subagent_last": init(); asst("The main answer."); asst("A subagent's notes.",parent_tool_use_id="t1"); res("",0.05)
elif case=="denied": init(); res("Nothing was changed.",0.06,permission_denials=[{"tool_name":"Bash","tool_use_id":"a","tool_input":{"command":"rm -rf build"}},{"tool_name":"Write","tool_use_id":"b","tool_input":{"file_path":"out.txt","content":"x"}}])
elif case.startswith("json_pretty"):
    late=case.endswith("hang"); print(json.dumps({"type":"result","subtype":"success","is_error":False,"result":"Pretty and late." if late else "Pretty answer.","total_cost_usd":0.45 if late else 0.44},indent=2),flush=True); time.sleep(3600 if late else 0)
elif case=="codex_then_hang": J({"type":"item.completed","item":{"type":"agent_message","text":"All done."}}); J({"type":"turn.completed","usage":{"input_tokens":200000,"output_tokens":10000}}); time.sleep(3600)
elif case=="codex_failed": J({"type":"item.completed","item":{"type":"agent_message","text":"Half of it."}}); J({"type":"turn.failed","error":{"message":"quota exceeded"}}); sys.exit(1)
elif case=="gemini_tools": [J({"type":"init","session_id":"x"}),J({"type":"message","role":"user","content":"where?"}),J({"type":"message","role":"assistant","content":"Let me ","delta":True}),J({"type":"message","role":"assistant","content":"look.","delta":True}),J({"type":"tool_use","tool_name":"ls","parameters":{"path":"src"}}),J({"type":"tool_result","status":"success","output":"x"*100}),J({"type":"message","role":"assistant","content":"It is ","delta":True}),J({"type":"message","role":"assistant","content":"in src.","delta":True}),J({"type":"result","status":"success","stats":{"input_tokens":10,"output_tokens":2}})]
elif case=="opencode":
    E=lambda kind,part: J({"type":kind,"sessionID":"ses_1","part":part})
    E("step_start",{}); E("text",{"text":"Running it."}); E("tool_use",{"tool":"bash","state":{"input":{"command":"npm test"}}}); E("step_finish",{"reason":"tool-calls","cost":0.01,"tokens":{"input":5,"output":1}})
    E("step_start",{}); E("text",{"text":"The test passes."}); E("step_finish",{"reason":"stop","cost":0.02,"tokens":{"input":9,"output":2}})
elif case=="lines": [J({"type":"progress","text":"sorting","costUsd":0.5}),J({"type":"result","text":"All sorted.","costUsd":0.75})]
elif case=="lines_crash": J({"type":"progress","text":"sorting","costUsd":0.5}); os.kill(os.getpid(),9)
elif case=="not_the_protocol": print("just"); print("words")
else: print("unknown case; stdin was: "+text)
