// Checks of a JSON file's values. Each takes a value and where it stands, and returns it as what it must be, or says in a
// sentence what it must be.

import { UsageError } from "../io.ts";
import type { Settings } from "./flags.ts";

/** A check. Throws `UsageError`. */
export type Check<T> = (value: unknown, where: string) => T;

const must = (holds: boolean, value: unknown, where: string, what: string): void => {
  if (holds) return;
  throw new UsageError(
    value === undefined
      ? `${where} is missing: it must be ${what}`
      : `${where} is ${JSON.stringify(value)}: it must be ${what}`,
  );
};

/** An object. */
export function object(value: unknown, where: string): Settings {
  must(typeof value === "object" && value !== null && !Array.isArray(value), value, where, "an object");
  return value as Settings;
}

/** An object that has no other keys than these; `where` names one. */
export function known(settings: Settings, names: readonly string[], where: (key: string) => string): void {
  const other = Object.keys(settings).find((key) => !names.includes(key));
  if (other !== undefined) {
    throw new UsageError(`${where(other)} is not a setting; here are ${names.join(", ")}`);
  }
}

/** A list, each entry read with its place in it. */
export function list<T>(
  value: unknown,
  where: string,
  key: string,
  of: (item: unknown, key: string) => T,
): T[] {
  must(Array.isArray(value), value, where, "a list");
  return (value as unknown[]).map((item, i) => of(item, `${key}[${i}]`));
}

/** A text that is not empty. */
export const text: Check<string> = (value, where) => {
  must(typeof value === "string" && value.trim() !== "", value, where, "a text");
  return value as string;
};

/** A finite number. */
export const number: Check<number> = (value, where) => {
  must(typeof value === "number" && Number.isFinite(value), value, where, "a number");
  return value as number;
};

/** A number above 0. */
export const positive: Check<number> = (value, where) => {
  must(typeof value === "number" && value > 0, value, where, "a number above 0");
  return value as number;
};

/** A whole number from 0. */
export const whole: Check<number> = (value, where) => {
  must(Number.isSafeInteger(value) && (value as number) >= 0, value, where, "a whole number of at least 0");
  return value as number;
};

/** One of some names. */
export const among = <T extends string>(names: readonly T[]): Check<T> => (value, where) => {
  must(names.includes(value as T), value, where, `one of ${names.join(", ")}`);
  return value as T;
};

/** A list with something in it and nothing twice. */
export const some = <T>(check: Check<T>): Check<T[]> => (value, where) => {
  must(Array.isArray(value) && value.length > 0, value, where, "a list with at least one entry");
  const items = (value as unknown[]).map((item) => check(item, where));
  must(new Set(items).size === items.length, value, where, "a list without repetitions");
  return items;
};
