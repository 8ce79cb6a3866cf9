// Makes the job's number of threads the number of cores, for a library that reads it from `navigator` as it is loaded:
// import this file before that library.

import { readFileSync } from "node:fs";
import process from "node:process";

const { threads } = JSON.parse(
  readFileSync(`${process.argv[2]}/job.json`, "utf8"),
) as { threads: number };
Object.defineProperty(navigator, "hardwareConcurrency", { value: threads });
