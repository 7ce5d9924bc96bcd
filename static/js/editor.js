// The pipeline editor: CodeMirror over the form's text area, the server's own reader for mistakes and for the graph.

import { keyOf, keysOf, pathAt, schemaAt, toggleComment, valuesOf } from "./editor_place.js";

const PAUSE = 250; // ms without a key before the text is checked

class Editor {
  constructor(form) {
    this.form = form;
    this.area = form.querySelector("textarea");
    this.saved = this.area.value;
    this.widgets = [];
    this.marks = [];
    this.problems = [];
    this.asked = 0;
    this.code = CodeMirror.fromTextArea(this.area, {
      mode: "yaml",
      lineNumbers: true,
      inputStyle: "contenteditable",
      tabSize: 2,
      indentUnit: 2,
      readOnly: this.area.readOnly,
      viewportMargin: Infinity,
      screenReaderLabel: "The pipeline file",
      extraKeys: {
        Tab: (code) => (code.somethingSelected() ? code.indentSelection("add") : code.replaceSelection("  ")),
        "Shift-Tab": "indentLess",
        Esc: () => document.getElementById("save")?.focus(), // a way out for who has only keys
        "Ctrl-Space": () => this.complete(),
        "Ctrl-/": toggleComment,
        "Ctrl-S": () => this.save(),
        "Cmd-S": () => this.save(),
        F8: () => this.next(1),
        "Shift-F8": () => this.next(-1),
      },
    });
    this.code.addOverlay(filledIn);
    this.code.on("change", () => this.changed());
    this.code.on("inputRead", (code, change) => {
      if (/^[\w$]$/.test(change.text[0]) && !code.state.completionActive) this.complete();
    });
    this.code.getWrapperElement().addEventListener("mousemove", (event) => this.hover(event));
    document.getElementById("for").addEventListener("change", () => this.check());
    document.getElementById("problems").addEventListener("click", (event) => this.jump(event));
    form.addEventListener("submit", () => (this.leaving = true));
    addEventListener("beforeunload", (event) => {
      if (this.code.getValue() !== this.saved && !this.leaving) event.preventDefault();
    });
    this.check();
  }

  async schema() {
    this.loaded ??= fetch(this.form.dataset.schema).then((answer) => answer.json());
    return this.loaded;
  }

  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), PAUSE);
    const differs = this.code.getValue() !== this.saved;
    document.getElementById("changed").textContent = differs ? "changed, not saved" : "";
  }

  async check() {
    const turn = ++this.asked;
    const body = new FormData(this.form);
    body.set("text", this.code.getValue());
    body.set("for", document.getElementById("for").value);
    let found;
    try {
      const answer = await fetch(this.form.dataset.check, { method: "POST", body });
      found = await answer.json();
    } catch {
      document.getElementById("summary").textContent = "The server does not answer: what is typed is not checked now.";
      return;
    }
    if (turn === this.asked) this.show(found);
  }

  show(found) {
    this.problems = found.problems;
    this.code.operation(() => {
      for (const widget of this.widgets) widget.clear();
      for (const mark of this.marks) mark.clear();
      for (let line = 0; line < this.code.lineCount(); line++) this.code.removeLineClass(line, "wrap", "ln--bad");
      this.widgets = this.problems.map((problem) => this.under(problem));
      this.marks = this.problems.map((problem) => this.underline(problem));
    });
    this.list();
    const save = document.getElementById("save");
    if (save) save.disabled = this.problems.length > 0;
    document.getElementById("why").textContent = this.problems.length ? `Saving waits for ${mistakes(this.problems.length)} to be mended` : "";
    if (found.graph !== undefined) document.getElementById("preview").innerHTML = found.graph; // drawn by our server
    document.getElementById("preview").classList.toggle("stale", this.problems.length > 0);
    document.getElementById("summary").textContent = this.problems.length ? `Drawn as it was before ${mistakes(this.problems.length)}.` : found.summary;
  }

  under(problem) {
    const row = this.row(problem);
    this.code.addLineClass(row, "wrap", "ln--bad");
    const box = element("div", "diag");
    const place = element("p", "row");
    place.append(element("b", "c-failed", `line ${problem.line}, column ${problem.column}`), " ", element("code", "", problem.key_path));
    const words = element("p", "", problem.message + (problem.expected ? `; expected ${problem.expected}` : "") + " ");
    const better = /did you mean `([^`]+)`/.exec(problem.message)?.[1];
    if (better && !this.area.readOnly) words.append(this.mend(problem, better));
    box.append(place, words);
    return this.code.addLineWidget(row, box, { coverGutter: true });
  }

  mend(problem, better) {
    const button = element("button", "btn btn--sm", `Change to ${better}`);
    button.type = "button";
    button.addEventListener("click", () => {
      const { from, to } = this.word(problem);
      this.code.replaceRange(better, from, to);
      this.code.focus();
    });
    return button;
  }

  underline(problem) {
    const { from, to } = this.word(problem);
    return this.code.markText(from, to, { className: "bad" });
  }

  /** The word that a problem points at, or the rest of its line. */
  word(problem) {
    const line = this.row(problem);
    const text = this.code.getLine(line) ?? "";
    const column = Math.min(problem.column - 1, text.length);
    const quoted = /^["']/.test(text.slice(column)) ? 1 : 0;
    const length = /^[^\s,:\]}#"']+/.exec(text.slice(column + quoted))?.[0].length ?? text.length - column - quoted;
    return { from: { line, ch: column + quoted }, to: { line, ch: column + quoted + Math.max(length, 1) } };
  }

  row(problem) {
    return Math.min(Math.max(problem.line - 1, 0), this.code.lastLine());
  }

  list() {
    const items = this.problems.map((problem, number) => {
      const item = element("li");
      const link = element("a", "", `line ${problem.line}`);
      link.href = "#text";
      link.dataset.problem = number;
      item.append(element("b", "c-failed", "error"), " ", link, " ", element("span", "", problem.message));
      return item;
    });
    document.getElementById("problems").replaceChildren(...(items.length ? items : [element("li", "sm q", "None.")]));
    document.getElementById("n-problems").textContent = items.length;
    document.getElementById("count").replaceChildren(items.length ? element("b", "c-failed", mistakes(items.length)) : "no mistakes");
  }

  jump(event) {
    const number = event.target.dataset?.problem;
    if (number === undefined) return;
    event.preventDefault();
    this.go(this.problems[number]);
  }

  go(problem) {
    if (!problem) return;
    this.code.focus();
    this.code.setCursor(this.word(problem).from);
  }

  next(way) {
    const at = this.code.getCursor().line + 1;
    const ahead = way > 0 ? this.problems.find((one) => one.line > at) : this.problems.findLast((one) => one.line < at);
    this.go(ahead ?? this.problems.at(way > 0 ? 0 : -1));
  }

  save() {
    const button = document.getElementById("save");
    if (button && !button.disabled) this.form.requestSubmit(button);
  }

  async complete() {
    const schema = await this.schema();
    this.code.showHint({ hint: (code) => this.hints(code, schema), completeSingle: false });
  }

  hints(code, schema) {
    const cursor = code.getCursor();
    const text = code.getLine(cursor.line).slice(0, cursor.ch);
    const typed = /[\w-]*$/.exec(text)[0];
    const lines = code.getValue().split("\n");
    const from = { line: cursor.line, ch: cursor.ch - typed.length };
    return { from, to: cursor, list: this.offers(schema, lines, cursor.line, text, typed) };
  }

  offers(schema, lines, row, text, typed) {
    const begun = /(?:^|[\s{,])([\w-]+)\s*:\s*(\[[^\]]*)?[\w-]*$/.exec(text);
    const column = text.length - typed.length;
    const fits = (word) => word.startsWith(typed) && word !== typed;
    if (begun) {
      const path = [...pathAt(lines, row, indentOf(text, begun)), begun[1], ...(begun[2] ? ["[]"] : [])];
      const words = begun[1] === "needs" ? stagesIn(lines) : valuesOf(schemaAt(schema, path)).map(String);
      return words.filter(fits).map((word) => ({ text: word }));
    }
    const keys = keysOf(schema, schemaAt(schema, pathAt(lines, row, column)));
    return [...keys].filter(([name]) => fits(name)).map(([name, node]) => offer(name, node));
  }

  async hover(event) {
    const at = this.code.coordsChar({ left: event.clientX, top: event.clientY }, "window");
    const line = this.code.getLine(at.line);
    const key = line === undefined ? null : keyOf(line);
    const isOver = key && at.ch >= key.indent && at.ch <= key.indent + key.name.length;
    const wrapper = this.code.getWrapperElement();
    if (!isOver) {
      wrapper.removeAttribute("title");
      return;
    }
    const schema = await this.schema();
    const path = pathAt(this.code.getValue().split("\n"), at.line, key.indent);
    wrapper.title = keysOf(schema, schemaAt(schema, path)).get(key.name)?.description ?? "";
  }
}

function offer(name, node) {
  return {
    text: `${name}: `,
    render: (place) => place.append(element("b", "", name), " ", element("span", "q", (node.description ?? "").split(/(?<=\.)\s/)[0])),
  };
}

/** Of `a: {b: x` the key b is looked up where it stands; of `    b: x` where the line's key begins. */
function indentOf(text, begun) {
  return text.slice(0, begun.index + begun[0].length).lastIndexOf(begun[1], text.length - 1 - (begun[2]?.length ?? 0));
}

function stagesIn(lines) {
  const top = lines.findIndex((line) => /^stages\s*:/.test(line));
  const names = [];
  let indent = 0;
  for (const line of top < 0 ? [] : lines.slice(top + 1)) {
    const key = keyOf(line);
    if (key && !key.indent) break;
    if (key && !key.dashes && (!indent || key.indent === indent)) {
      indent = key.indent;
      names.push(key.name);
    }
  }
  return names;
}

const filledIn = {
  token(stream) {
    if (stream.match(/^\$\{\{[^}]*\}\}/)) return "filled";
    stream.next();
    stream.skipTo("$") || stream.skipToEnd();
    return null;
  },
};

function mistakes(count) {
  return `${count} mistake${count === 1 ? "" : "s"}`;
}

function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== "") made.textContent = text;
  return made;
}

for (const form of document.querySelectorAll("form.editor")) new Editor(form);
