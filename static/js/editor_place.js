// Where a place in a YAML text stands: the keys that lead to it, read from the indentation alone, so that it works on a
// text that is being typed and does not parse.

const KEY = /^(\s*)((?:-\s+)*)(?:"([^"]*)"|'([^']*)'|([^\s#:{}[\],&*!|>'"%@`][^:#{}[\],]*?))\s*:(?:\s|$)/;

/** The key of a line, with the column it begins at, or null. */
export function keyOf(line) {
  const found = KEY.exec(line);
  if (!found) return null;
  return { name: found[3] ?? found[4] ?? found[5], indent: found[1].length + found[2].length, dashes: found[2].length > 0 };
}

/** Names from the top to where a new key at `column` of line `row` would stand; "[]" is an item of a list. */
export function pathAt(lines, row, column) {
  const path = [];
  let depth = column;
  const own = /^(\s*)(-\s+)/.exec(lines[row] ?? "");
  if (own && own[1].length < column) {
    path.unshift("[]");
    depth = own[1].length + 0.5; // a list may stand as far left as its key
  }
  for (let at = row - 1; at >= 0 && depth > 0; at--) {
    const line = lines[at];
    if (!line.trim() || line.trim().startsWith("#")) continue;
    const key = keyOf(line);
    const dash = /^(\s*)-\s/.exec(line);
    if (key && key.indent < depth) {
      path.unshift(key.name);
      depth = key.indent;
    }
    if (dash && dash[1].length < depth) {
      path.unshift("[]");
      depth = dash[1].length + 0.5;
    }
  }
  return [...path, ...openBraces(lines[row] ?? "", column)];
}

/** Inside `stage: {image: a, ` the keys of the open braces count as well. */
function openBraces(line, column) {
  const path = [];
  const before = line.slice(0, column);
  for (const found of before.matchAll(/([\w-]+)\s*:\s*([{[])|([{[])|([}\]])/g)) {
    if (found[4]) path.pop();
    else path.push(found[1] ?? "[]");
  }
  return path;
}

/** The part of the JSON Schema that describes what stands at a path; several where it may be one or another. */
export function schemaAt(schema, path) {
  let nodes = variants(schema, schema);
  for (const name of path) {
    nodes = nodes.flatMap((node) => below(schema, node, name));
  }
  return nodes;
}

/** Keys that may stand in one of `nodes`, each with its own schema. */
export function keysOf(schema, nodes) {
  const keys = new Map();
  for (const node of nodes) {
    for (const [name, value] of Object.entries(node.properties ?? {})) {
      if (!keys.has(name)) keys.set(name, value.$ref && !value.description ? { ...resolved(schema, value), ...value } : value);
    }
  }
  return keys;
}

/** Values that `nodes` name. */
export function valuesOf(nodes) {
  const values = nodes.flatMap((node) => node.enum ?? (node.const !== undefined ? [node.const] : node.type === "boolean" ? [true, false] : []));
  return [...new Set([...values, ...nodes.flatMap((node) => node.examples ?? []).filter((one) => typeof one === "string" && one.length < 60)])];
}

function below(schema, node, name) {
  if (name === "[]") return node.items ? variants(schema, node.items) : [];
  const patterns = Object.values(node.patternProperties ?? {});
  const other = typeof node.additionalProperties === "object" ? [node.additionalProperties] : [];
  const named = node.properties?.[name];
  return (named ? [named] : [...patterns, ...other]).flatMap((one) => variants(schema, one));
}

function variants(schema, node, depth = 0) {
  const here = resolved(schema, node);
  if (depth > 8) return [here];
  const choices = [...(here.anyOf ?? []), ...(here.oneOf ?? [])];
  const all = [here, ...choices.flatMap((one) => variants(schema, one, depth + 1))];
  return [...all, ...(here.allOf ?? []).flatMap((one) => variants(schema, one, depth + 1))];
}

function resolved(schema, node) {
  let here = node;
  for (let turns = 0; here?.$ref && turns < 10; turns++) {
    here = here.$ref.slice(2).split("/").reduce((place, part) => place?.[decodeURIComponent(part.replaceAll("~1", "/"))], schema);
  }
  return here ?? {};
}

// Of the chosen lines: marks all of them as comments, or takes the marks away when all have one.
export function toggleComment(code) {
  const [from, to] = [code.getCursor("from").line, code.getCursor("to").line];
  const lines = [];
  for (let line = from; line <= to; line += 1) if (code.getLine(line).trim()) lines.push(line);
  const isComment = lines.every((line) => /^\s*#/.test(code.getLine(line)));
  code.operation(() => {
    for (const line of lines) {
      const ch = code.getLine(line).search(/\S/);
      const length = isComment ? code.getLine(line).slice(ch).match(/^# ?/)[0].length : 0;
      code.replaceRange(isComment ? "" : "# ", { line, ch }, { line, ch: ch + length });
    }
  });
}
