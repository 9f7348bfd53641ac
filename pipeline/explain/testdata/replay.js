"use strict";
// Runs the page's script on the few things of a document that it uses, and prints what a
// reader would see after each of his doings.
const fs = require("fs");

class Element {
  constructor(text, data) {
    Object.assign(this, { textContent: text || "", dataset: data || {}, className: "", title: "", hidden: true, value: "", max: "", cells: [] });
    this.properties = {};
    this.attributes = {};
    this.listeners = {};
    this.style = { setProperty: (name, value) => { this.properties[name] = value; } };
    this.classList = {
      add: (name) => { this.className += " " + name; },
      toggle: (name, on) => { this.className = on ? name : ""; },
    };
  }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  querySelector(what) { return this.found[what]; }
  querySelectorAll(what) { return this.found[what]; }
}

const rows = [
  ["0", "accept", "0.0", "0", "50.0 %", "0.5000", "cat"],
  ["0", "refuse", "0.1", "", "", "", " Tim"],
  ["0", "commit", "0.1", "1", "25.0 %", "0.2500", " <b>Rex"],
  ["1", "check", "0.0", "", "3.0 %", "0.0300", "cat"],
  ["2", "reopen", "0.0", "", "", "", "cat"],
  ["3", "commit", "0.0", "1", "90.0 %", "0.9000", "dog"],
].map(([step, kind, place, group, percent, confidence, text]) => {
  const row = new Element("", { step, kind, place, confidence });
  row.cells = [step, group, place, percent, kind].map((cell) => new Element(cell));
  row.found = { ".spelling": new Element(text) };
  return row;
});
const tokens = ["0.0", "0.1"].map((place) => new Element("final", { place }));
const buttons = ["first", "back", "play", "next", "last"].map((name) => new Element("", { do: name }));
const slider = new Element(), told = new Element(), controls = new Element(), section = new Element();
controls.found = { input: slider, output: told, button: buttons, "[data-do=play]": buttons[2] };
section.found = { "tbody tr": rows, ".token": tokens, ".controls": controls };

let tick = null;
const document = { querySelectorAll: () => [section] };
const start = (f) => { tick = f; return 1; };
new Function("document", "setInterval", "clearInterval", fs.readFileSync(process.argv[2], "utf8"))(document, start, () => { tick = null; });

const see = (what) => {
  const shown = tokens.map((t) => JSON.stringify(t.textContent) + " (" + t.className + (t.className.includes("open") ? "" : " " + t.properties["--confidence"]) + ")");
  console.log(what + ": slider " + slider.value + "/" + slider.max + "; " + shown.join(" ") + "; " + told.textContent);
};
const press = (key, target) => section.listeners.keydown({ key, target: target || section, preventDefault() {} });
see("at first");
buttons[0].listeners.click(); see("first");
buttons[3].listeners.click(); see("next");
press("ArrowRight"); see("right");
press("ArrowRight", slider); see("right, in the slider");
press("ArrowRight"); see("right");
press("ArrowLeft"); see("left");
press("Home"); see("home");
press("ArrowLeft"); see("left of the start");
slider.value = "3"; slider.listeners.input(); see("slid");
press("End"); see("end");
press(" "); see("plays");
while (tick) tick();
see("played, pressed " + buttons[2].attributes["aria-pressed"]);
console.log("controls hidden: " + controls.hidden + ", focus: " + section.tabIndex);
