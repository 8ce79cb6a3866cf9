// JSON as it comes from a file, looked at one field at a time, so that every complaint can name the file and the field.
// What the fields of a tokenizer.json mean is in read.ts.

/** A value somewhere in a JSON file. */
export interface Field {
  /** What the file has there; undefined if nothing. */
  readonly value: unknown;
  /** How the file calls it: `model.vocab`; empty for the whole. */
  readonly path: string;
  /** The file, for messages. */
  readonly where: string;
}

/** The whole of a file. Throws `SyntaxError` if it is not JSON. */
export function parseField(text: string, where: string): Field {
  try {
    return { value: JSON.parse(text), path: "", where };
  } catch (error) {
    throw new SyntaxError(`Cannot read ${where}: not valid JSON (${(error as Error).message})`, {
      cause: error,
    });
  }
}

/** Throws `SyntaxError`: the field is not what is wanted. */
export function refuse({ value, path, where }: Field, wanted: string): never {
  const shown = JSON.stringify(value) ?? "missing";
  const brief = shown.length > 80 ? `${shown.slice(0, 80)}…` : shown;
  throw new SyntaxError(`Cannot read ${where}: ${path || "the file"} is ${brief}; ${wanted}`);
}

/** The member of an object, whether it is there or not. */
export function member(field: Field, name: string): Field {
  const { value, path, where } = field;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    refuse(field, "it should be an object");
  }
  const members = value as Record<string, unknown>;
  return {
    value: Object.hasOwn(members, name) ? members[name] : undefined,
    path: path === "" ? name : `${path}.${name}`,
    where,
  };
}

/** The members of an object with their names. */
export function membersOf(field: Field): [string, Field][] {
  const { value } = field;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    refuse(field, "it should be an object");
  }
  return Object.keys(value as object).map((name) => [name, member(field, name)]);
}

/** The items of a list; none if the field is null or missing. */
export function itemsOf(field: Field): Field[] {
  const { value, path, where } = field;
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) refuse(field, "it should be a list");
  return (value as unknown[]).map((item, i) => ({ value: item, path: `${path}[${i}]`, where }));
}

/** A string. */
export function stringOf(field: Field): string {
  return typeof field.value === "string" ? field.value : refuse(field, "it should be a string");
}

/** True or false; `missing` if the field is null or not there. */
export function booleanOf(field: Field, missing: boolean): boolean {
  const value = field.value ?? missing;
  return typeof value === "boolean" ? value : refuse(field, "it should be true or false");
}

/** A whole number that is not negative. */
export function countOf(field: Field): number {
  const { value } = field;
  return Number.isSafeInteger(value) && (value as number) >= 0
    ? value as number
    : refuse(field, "it should be a whole number, 0 or more");
}

/** Throws unless the field is null, missing, or one of `allowed`. */
export function expect(field: Field, allowed: readonly unknown[], wanted: string): void {
  if (field.value !== null && field.value !== undefined && !allowed.includes(field.value)) {
    refuse(field, wanted);
  }
}
