"use strict";
const FEATURE = 0, FIRES = 1, VERDICT = 2, SCORE = 3, LOW = 4, HIGH = 5, CONTROL = 6, REFINE = 7, DENSITY = 8, STAGE = 9,
  PROMOTES = 10, PAGE = 11, NOTE = 12, STEP = 200;
const data = JSON.parse(document.getElementById("data").textContent);
const words = data.map(row => `${row[FEATURE]} ${row[FIRES]} ${row[PROMOTES]} ${row[NOTE]}`.toLowerCase());
const at = name => document.getElementById(name);
const body = at("rows");
let found = [], shown = 0, key = FEATURE, down = false;

function cell(text, kind) {
  const made = document.createElement("td");
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

// What stands between backticks is code.
function prose(text) {
  const made = document.createElement("td");
  made.className = "wide";
  text.split(/(`[^`]+`)/).forEach(piece => {
    const isCode = piece.length > 2 && piece.startsWith("`") && piece.endsWith("`");
    const node = document.createElement(isCode ? "code" : "span");
    node.textContent = isCode ? piece.slice(1, -1) : piece;
    made.append(node);
  });
  return made;
}

const number = (value, digits) => value === null ? "–" : value.toFixed(digits).replace("-", "−");

function drawn(row) {
  const line = document.createElement("tr");
  const name = cell("", "number");
  if (row[PAGE]) {
    const link = document.createElement("a");
    link.href = row[PAGE];
    link.textContent = row[FEATURE];
    name.append(link);
  } else name.textContent = row[FEATURE];
  const verdict = cell(row[VERDICT].replaceAll("_", " "), "verdict");
  verdict.dataset.verdict = row[VERDICT];
  const score = cell("", "number score");
  const value = document.createElement("b");
  value.textContent = number(row[SCORE], 2);
  score.append(value);
  if (row[LOW] !== null) {
    const range = document.createElement("small");
    range.textContent = ` ${number(row[LOW], 2)} to ${number(row[HIGH], 2)}`;
    score.append(range);
    score.title = "95% interval over documents";
  } else score.title = row[NOTE];
  const fires = prose(row[FIRES]);
  if (row[NOTE]) {
    const note = document.createElement("small");
    note.textContent = ` ${row[NOTE]}`;
    fires.append(note);
  }
  const density = row[DENSITY] === null ? "–" : row[DENSITY] > 0 ? `1 in ${Math.round(1 / row[DENSITY]).toLocaleString("en")}` : "never";
  line.append(name, fires, verdict, score, cell(number(row[CONTROL], 2), "number"), cell(number(row[REFINE], 2), "number"),
    cell(density, "number"), cell(row[STAGE]));
  return line;
}

function more() {
  body.append(...found.slice(shown, shown + STEP).map(i => drawn(data[i])));
  shown = Math.min(found.length, shown + STEP);
  at("more").hidden = shown === found.length;
  at("more").textContent = `show more (${found.length - shown} left)`;
}

function update() {
  const wanted = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const verdict = at("verdict").value, stage = at("stage").value;
  const low = parseFloat(at("low").value), high = parseFloat(at("high").value);
  found = [];
  for (let i = 0; i < data.length; i++) {
    const row = data[i], score = row[SCORE];
    if (verdict && row[VERDICT] !== verdict) continue;
    if (stage && row[STAGE] !== stage) continue;
    if (!Number.isNaN(low) && (score === null || score < low)) continue;
    if (!Number.isNaN(high) && (score === null || score > high)) continue;
    if (wanted.every(word => words[i].includes(word))) found.push(i);
  }
  const sign = down ? -1 : 1, column = key === LOW ? SCORE : key;
  // What has no value stands last whichever way the rest is ordered.
  found.sort((a, b) => {
    const x = data[a][column], y = data[b][column];
    if (x === null || y === null) return (x === null) - (y === null) || a - b;
    return sign * (x < y ? -1 : x > y ? 1 : 0) || a - b;
  });
  body.replaceChildren();
  shown = 0;
  more();
  at("count").textContent = `${found.length.toLocaleString("en")} of ${data.length.toLocaleString("en")}`;
}

for (const name of ["search", "verdict", "stage", "low", "high"]) at(name).addEventListener("input", update);
at("more").addEventListener("click", more);
document.querySelectorAll("th button").forEach(button => button.addEventListener("click", () => {
  const chosen = Number(button.dataset.key);
  down = chosen === key ? !down : [LOW, CONTROL, REFINE, DENSITY].includes(chosen);
  key = chosen;
  document.querySelectorAll("th").forEach(head => head.removeAttribute("aria-sort"));
  button.parentElement.setAttribute("aria-sort", down ? "descending" : "ascending");
  update();
}));
update();
