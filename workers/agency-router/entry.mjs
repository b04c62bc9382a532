// The Worker's entry: the Rust module of dist/ behind the shared shim.
import * as module from "./dist/index.js";
import { glue } from "../shim.mjs";

const worker = glue(module);
export default worker.Entry;
export const Cell = worker.durable("Cell");
