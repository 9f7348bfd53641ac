
"use strict";
// Replays each document from its table. Text is moved by textContent alone.
for (const section of document.querySelectorAll("section.document")) {
  const rows = Array.from(section.querySelectorAll("tbody tr"));
  const tokens = new Map();
  for (const token of section.querySelectorAll(".token")) tokens.set(token.dataset.place, token);
  const steps = Array.from(new Set(rows.map((row) => row.dataset.step)));
  const frameOf = new Map(steps.map((step, i) => [step, i + 1]));
  const spelling = (row) => row.querySelector(".spelling").textContent;
  const controls = section.querySelector(".controls");
  const slider = controls.querySelector("input");
  const told = controls.querySelector("output");
  const play = controls.querySelector("[data-do=play]");
  let frame = steps.length;
  let timer = 0;

  const show = () => {
    for (const token of tokens.values()) {
      token.textContent = "\u2581\u2581";
      token.className = "token open";
      token.title = "blank";
    }
    const said = [];
    for (const row of rows) {
      const at = frameOf.get(row.dataset.step);
      row.classList.toggle("now", at === frame);
      if (at > frame) continue;
      const token = tokens.get(row.dataset.place);
      const kind = row.dataset.kind;
      if (kind === "commit" || kind === "accept") {
        token.textContent = spelling(row);
        token.className = "token";
        token.style.setProperty("--confidence", row.dataset.confidence);
        token.title = "step " + row.cells[0].textContent + ", group " + row.cells[1].textContent + ", " + row.cells[3].textContent;
      } else if (kind === "reopen") {
        token.textContent = "\u2581\u2581";
        token.className = "token open";
        token.title = "reopened";
      }
      if (at === frame) {
        token.classList.add("now");
        said.push((row.cells[4].textContent + " \u201c" + spelling(row) + "\u201d " + row.cells[3].textContent).trim());
      }
    }
    slider.value = String(frame);
    slider.setAttribute("aria-valuetext", frame + " of " + steps.length);
    told.textContent = frame + " of " + steps.length + (said.length ? ": " + said.join(", ") : "");
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.setAttribute("aria-pressed", "false");
  };
  const go = (to) => {
    frame = Math.max(0, Math.min(steps.length, to));
    show();
  };
  const acts = {
    first: () => { stop(); go(0); },
    back: () => { stop(); go(frame - 1); },
    next: () => { stop(); go(frame + 1); },
    last: () => { stop(); go(steps.length); },
    play: () => {
      if (timer) { stop(); return; }
      if (frame === steps.length) go(0);
      play.setAttribute("aria-pressed", "true");
      timer = setInterval(() => {
        go(frame + 1);
        if (frame === steps.length) stop();
      }, 700);
    },
  };
  const keys = { ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last", " ": "play" };

  slider.max = String(steps.length);
  slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
  for (const button of controls.querySelectorAll("button")) button.addEventListener("click", acts[button.dataset.do]);
  section.tabIndex = 0;
  section.addEventListener("keydown", (event) => {
    if (event.target !== section || event.ctrlKey || event.altKey || event.metaKey) return;
    const act = keys[event.key];
    if (act) { event.preventDefault(); acts[act](); }
  });
  controls.hidden = false;
  show();
}
