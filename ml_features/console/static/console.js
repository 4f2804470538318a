"use strict";
// The page works without it: charts are tables then, and the reader reloads by hand.
(() => {
  const AGAIN_MS = 600, LIVE_MS = 30000, CHART_HEIGHT = 220;
  const root = document.documentElement;

  const remembered = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  if (remembered()) root.dataset.theme = remembered();

  function colour(name) { return getComputedStyle(root).getPropertyValue(name).trim(); }

  // A chart is drawn from the table below it: the first column along the bottom, each other column a line.
  function draw(figure) {
    const table = figure.querySelector(".figures table"), place = figure.querySelector(".plot");
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 2 || typeof uPlot === "undefined") return;
    const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
    const columns = names.map((_, n) => rows.map((row) => {
      const text = row.cells[n].dataset.value;
      return text === undefined || text === "" ? null : Number(text);
    }));
    const line = colour("--pico-color"), grid = colour("--pico-muted-border-color");
    const axis = { stroke: line, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    const isTime = figure.dataset.x === "time", first = columns[0][0], last = columns[0][columns[0].length - 1];
    const told = (value) => {
      if (value === null || !isTime) return value;
      const text = new Date(value * 1000).toISOString();
      return last - first > 2 * 86400 ? text.slice(0, 10) : text.slice(11, 16);
    };
    const below = isTime ? { ...axis, space: 80, values: (_, splits) => splits.map(told) } : axis;
    place.replaceChildren();
    new uPlot({
      width: place.clientWidth, height: CHART_HEIGHT, tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      scales: { x: { time: isTime } },
      axes: [below, axis],
      series: names.map((name, n) => n === 0 ? { label: name, value: (_, value) => told(value) } : {
        label: name, stroke: colour(`--series-${n}`), width: 2, dash: n > 4 ? [4, 4] : undefined,
        points: { show: rows.length < 20 },
      }),
    }, columns, place);
  }

  function drawAll() { document.querySelectorAll("figure.chart").forEach(draw); }

  let timer = null;
  // What the warehouse had not given in time is asked for again, and a page that is left open stays true.
  function plan() {
    clearTimeout(timer);
    const main = document.querySelector("main");
    if (!main) return;
    if (main.dataset.pending !== undefined) timer = setTimeout(renew, AGAIN_MS);
    else if (main.dataset.live !== undefined) timer = setTimeout(renew, LIVE_MS);
  }

  async function renew() {
    const main = document.querySelector("main");
    const busy = document.hidden || main.contains(document.activeElement) && document.activeElement !== main
      || getSelection().toString() !== "" || main.querySelector("details[open]:not(.figures)");
    if (busy && main.dataset.pending === undefined) return plan();
    try {
      const answer = await fetch(location.href, { headers: { "X-Renew": "1" } });
      if (answer.redirected) { location.href = answer.url; return; }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("main");
      if (next && next.innerHTML !== main.innerHTML) {
        const open = [...main.querySelectorAll("details")].map((each) => each.open);
        main.replaceChildren(...next.childNodes);
        [...main.querySelectorAll("details")].forEach((each, n) => { each.open = open[n] || each.open; });
        drawAll();
      }
      if (next) { for (const name of ["pending", "live"]) {
        if (next.dataset[name] === undefined) delete main.dataset[name]; else main.dataset[name] = next.dataset[name];
      } }
    } catch { document.querySelector("#offline")?.removeAttribute("hidden"); }
    plan();
  }

  document.addEventListener("DOMContentLoaded", () => {
    const theme = document.querySelector("#theme");
    theme?.addEventListener("click", () => {
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* it holds for this page */ }
      drawAll();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
    addEventListener("resize", drawAll);
    // A key behind the # of an address never leaves the browser but in the form below.
    const key = document.querySelector("#key");
    if (key && location.hash.length > 1) {
      key.value = decodeURIComponent(location.hash.slice(1));
      history.replaceState(null, "", location.pathname + location.search);
      key.form.requestSubmit();
    }
    drawAll();
    plan();
  });
})();
