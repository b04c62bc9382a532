// The Worker as the runtime loads it: the Rust module of dist/ behind the shim that all Workers share.
import * as module from "./dist/index.js";
import { glue } from "../shim.mjs";

const worker = glue(module);
export default worker.Entry;
