// The JavaScript shared by all Workers: passes requests, timers and alarms to the Rust module, and
// creates a new instance of it after a panic. A panicked instance never answers again: all its
// waiting requests fail at once, and the next request uses a new instance. A read (GET, HEAD) is
// retried once on the new instance. A write gets a 500, because it may have taken effect.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";

/** The error for requests that waited for a panicked instance; `place` counts from the newest request. */
class Panicked extends Error {
  constructor(place) {
    super("the instance has panicked");
    this.place = place;
  }
}

/** Delay between two retries: one of them may have caused the panic, most likely the newest, and must not hit the others. */
const APART_MS = 50;
const APART_MS_MAX = 1_000;

/** The problem response after a panic, in the same format as every other error of Quintet. */
function problem(request) {
  const id = request.headers.get("x-request-id") ?? crypto.randomUUID();
  const body = {
    type: "urn:quintet:error:internal",
    title: "Something went wrong inside",
    status: 500,
    detail: "The request failed midway and may have taken effect.",
    code: "internal",
    fix: "Read the current state, then try again.",
    requestId: id,
  };
  return new Response(JSON.stringify(body), { status: 500, headers: { "content-type": "application/problem+json", "x-request-id": id } });
}

export function glue(module) {
  const state = module.__worker_init_state();
  let generation = 0;
  let dead = false;
  const waiting = new Set();
  // The module's panic hook sets this; the setter fails all waiting requests.
  Object.defineProperty(state, "criticalError", {
    get: () => dead,
    set(value) {
      dead = value;
      if (!value) return;
      const all = [...waiting].reverse();
      waiting.clear();
      all.forEach((fail, place) => fail(new Panicked(place)));
    },
  });
  const boot = () => {
    if (!dead) return;
    module.__wbg_reset_state();
    dead = false;
    generation += 1;
  };
  const run = async (work) => {
    boot();
    let fail;
    const panicked = new Promise((_, reject) => {
      fail = reject;
      waiting.add(reject);
    });
    try {
      return await Promise.race([work(), panicked]);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
      throw error;
    } finally {
      waiting.delete(fail);
    }
  };

  class Entry extends WorkerEntrypoint {
    async fetch(request) {
      const ask = () => run(() => module.fetch(request, this.env, this.ctx));
      const reads = request.method === "GET" || request.method === "HEAD";
      try {
        return await ask().catch(async (error) => {
          if (!reads || !(error instanceof Panicked)) throw error;
          await new Promise((done) => setTimeout(done, Math.min(error.place * APART_MS, APART_MS_MAX)));
          return ask();
        });
      } catch (error) {
        const answer = problem(request);
        console.error(JSON.stringify({ level: "ERROR", message: "a request failed", "request.id": answer.headers.get("x-request-id"), error: String(error) }));
        return answer;
      }
    }
    scheduled(event) {
      return run(() => module.scheduled(event, this.env, this.ctx));
    }
  }

  const durable = (name) =>
    class extends DurableObject {
      #object;
      #generation = -1;
      #current() {
        boot();
        if (this.#generation !== generation) {
          this.#object = new module[name](this.ctx, this.env);
          this.#generation = generation;
        }
        return this.#object;
      }
      fetch(request) {
        return run(() => this.#current().fetch(request));
      }
      alarm(info) {
        return run(() => this.#current().alarm(info));
      }
    };

  return { Entry, durable };
}
