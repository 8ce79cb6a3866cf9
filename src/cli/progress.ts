// Progress bars on stderr: of training, with loss, tokens per second and time left, and of going through bytes. Where stderr is not a terminal, a plain line every
// few seconds takes its place, so that logs stay readable.

import process from "node:process";
import { Presets, SingleBar } from "cli-progress";
import type { TrainEvent } from "../train/trainer.ts";
import { say } from "./io.ts";

const LINE_SECONDS = 10;

/** A bar over training steps. */
export interface Progress {
  /** Shows one more update. */
  step(event: TrainEvent): void;
  /** Shows a line above the bar. */
  note(line: string): void;
  end(): void;
}

/** 75 -> "1m15s". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds)),
    minutes = Math.floor(whole / 60),
    hours = Math.floor(minutes / 60);
  if (hours > 0) return `${hours}h${String(minutes % 60).padStart(2, "0")}m`;
  return minutes > 0 ? `${minutes}m${String(whole % 60).padStart(2, "0")}s` : `${whole}s`;
}

/** Starts a bar that goes from `start` to `total` steps. */
export function trainingProgress(label: string, total: number, start = 0): Progress {
  const smooth = { loss: NaN, rate: NaN, seconds: NaN };
  const follow = (key: keyof typeof smooth, value: number): number =>
    smooth[key] = Number.isNaN(smooth[key]) ? value : 0.95 * smooth[key] + 0.05 * value;
  const describe = ({ step, loss, tokens, seconds }: TrainEvent) => ({
    loss: follow("loss", loss).toFixed(4),
    rate: Math.round(follow("rate", tokens / seconds)).toLocaleString("en"),
    left: duration((total - step) * follow("seconds", seconds)),
  });
  const terminal = process.stderr.isTTY === true;
  const bar = new SingleBar({
    format: `${label} {bar} {value}/{total}  loss {loss}  {rate} tokens/s  {left} left`,
    stream: process.stderr,
    noTTYOutput: false,
    clearOnComplete: false,
    barsize: 24,
  }, Presets.shades_classic);
  if (terminal) bar.start(total, start, { loss: "-", rate: "-", left: "-" });
  let last = performance.now();
  return {
    step(event) {
      const shown = describe(event);
      if (terminal) return bar.update(event.step, shown);
      if (performance.now() - last < LINE_SECONDS * 1000 && event.step !== total) return;
      last = performance.now();
      say(`${label} ${event.step}/${total}  loss ${shown.loss}  ${shown.rate} tokens/s  ${shown.left} left`);
    },
    note(line) {
      if (terminal) process.stderr.write("\r\x1b[K");
      say(line);
    },
    end() {
      if (terminal) bar.stop();
    },
  };
}

/** A bar over bytes, in as many stages as there are labels. */
export interface ByteProgress {
  show(label: string, done: number, of: number): void;
  end(): void;
}

/** Starts a bar when it is first shown. */
export function byteProgress(): ByteProgress {
  const terminal = process.stderr.isTTY === true, mega = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const bar = new SingleBar({
    format: "{label} {bar} {done}/{all} MB  {rate} MB/s  {left} left",
    stream: process.stderr,
    clearOnComplete: false,
    barsize: 24,
  }, Presets.shades_classic);
  let label = "", began = 0, last = 0;
  return {
    show(stage, done, of) {
      const now = performance.now();
      if (stage !== label) {
        bar.stop();
        label = stage;
        began = last = now;
        if (terminal) bar.start(of, 0, { label, done: "0", all: mega(of), rate: "-", left: "-" });
      }
      const rate = done / (now - began) * 1000 || 0, left = rate > 0 ? duration((of - done) / rate) : "-";
      if (terminal) {
        return bar.update(done, { label, done: mega(done), all: mega(of), rate: mega(rate), left });
      }
      if (now - last < LINE_SECONDS * 1000) return;
      last = now;
      say(`${label} ${mega(done)}/${mega(of)} MB  ${mega(rate)} MB/s  ${left} left`);
    },
    end: () => bar.stop(),
  };
}
