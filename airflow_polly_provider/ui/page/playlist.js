/* The list of tracks of a DAG run or of a batch. Rows are made 200 at a time, so that 10,000 tracks stay usable. */

import {
  byId, decimalPlaces, durationText, element, isolated, markCurrent, nameOf, number, statusKind, statusText,
} from "./shared.js";
import { isPlaying, onEnd, showTrack, togglePlay } from "./player.js";

const ROWS = 200;

let tracks = [];
/* Indices of tracks: those that the filters leave, and those to play in a row. */
let listed = [];
let queue = [];
let current = -1;
let rendered = 0;
let hasCost = false;
/* Costs have as many decimal places as the longest one, so that their points are in a column. */
let costPlaces = 2;
const rowOf = new Map();
const searchable = new Map();

/* Rows. */

function cell(text, attributes) {
  const made = element("td", undefined, attributes);
  made.append(text);
  return made;
}

function makeRow(index) {
  const track = tracks[index];
  const { name, task } = nameOf(track);
  const valueCell = (label, isKnown, text) => cell(isKnown ? text() : "", { class: "number", "data-label": label });
  const row = element("tr", undefined, { "data-index": index, class: track.playable ? "playable" : "silent" });
  const title = element("th", undefined, { scope: "row" });
  const button = element("button", undefined, { type: "button", class: "row" });
  button.append(isolated(name));
  title.append(button);
  if (task) title.append(" ", element("span", task, { class: "task", dir: "auto" }));
  if (track.reason) title.append(element("p", track.reason, { class: `reason ${statusKind(track)}`, dir: "auto" }));
  row.append(
    title,
    cell(element("span", statusText(track), { class: `status ${statusKind(track)}` }), { class: "state" }),
    valueCell("Duration", Number.isFinite(track.seconds), () => durationText(track.seconds)),
    valueCell("Characters", Number.isFinite(track.characters), () => number(track.characters)),
  );
  const cost = () => (track.cost ? track.cost.toFixed(costPlaces) : "0");
  if (hasCost) row.append(valueCell("Cost", Number.isFinite(track.cost), cost));
  markCurrent(row, index === current);
  return row;
}

function renderUpTo(count) {
  const until = Math.min(count, listed.length);
  const rows = listed.slice(rendered, until).map((index) => {
    const row = makeRow(index);
    rowOf.set(index, row);
    return row;
  });
  byId("rows").append(...rows);
  rendered = Math.max(rendered, until);
  byId("more").hidden = rendered >= listed.length;
  const sentences = [];
  if (!listed.length) sentences.push("No track found.");
  else if (listed.length < tracks.length) {
    sentences.push(`${number(listed.length)} of ${number(tracks.length)} tracks found.`);
  }
  if (rendered < listed.length) sentences.push(`Showing ${number(rendered)} of ${number(listed.length)}.`);
  byId("count").textContent = sentences.join(" ");
  byId("count").hidden = !sentences.length;
}

function renderAgain() {
  rowOf.clear();
  byId("rows").replaceChildren();
  rendered = 0;
  renderUpTo(ROWS);
}

/* Filters. */

function textOf(index) {
  if (!searchable.has(index)) {
    const track = tracks[index];
    const { name, task } = nameOf(track);
    const texts = [
      name, task, statusText(track), track.voice, track.reason, track.synthesis_task_id, track.s3_uri,
    ];
    searchable.set(index, texts.filter(Boolean).join("\n").toLocaleLowerCase());
  }
  return searchable.get(index);
}

function applyFilters() {
  const asked = byId("search").value.trim().toLocaleLowerCase();
  const isFailedOnly = byId("failed").checked;
  listed = [...tracks.keys()].filter((index) => {
    if (isFailedOnly && tracks[index].status !== "failed") return false;
    return !asked || textOf(index).includes(asked);
  });
  renderAgain();
}

/* Selection. */

function select(index, { play }) {
  markCurrent(rowOf.get(current), false);
  current = index;
  const place = listed.indexOf(index);
  if (place >= rendered) renderUpTo(place + 1);
  markCurrent(rowOf.get(index), true);
  for (const [id, step] of [["previous", -1], ["next", 1]]) {
    const isLast = neighbour(step) === null;
    /* A disabled button would lose the focus to the page. */
    if (isLast && document.activeElement === byId(id)) byId("play").focus();
    byId(id).disabled = isLast;
  }
  return showTrack(tracks[index], { play });
}

/* Return the next or previous track of the queue that can be played; null if there is none. */
function neighbour(step) {
  for (let place = queue.indexOf(current) + step; place >= 0 && place < queue.length; place += step) {
    if (tracks[queue[place]].playable) return queue[place];
  }
  return null;
}

function go(step, play) {
  const index = neighbour(step);
  if (index !== null) select(index, { play });
}

/* Show a list of tracks and select the first one that can be played. Return when that one is shown. */
export function showPlaylist(given) {
  tracks = given;
  const costs = tracks.map((track) => track.cost).filter(Number.isFinite);
  hasCost = costs.length > 0;
  costPlaces = decimalPlaces(costs);
  document.documentElement.classList.toggle("no-cost", !hasCost);
  queue = [...tracks.keys()];
  byId("playlist").hidden = false;
  byId("previous").hidden = byId("next").hidden = false;
  byId("failed-label").hidden = !tracks.some((track) => track.status === "failed");
  applyFilters();
  onEnd(() => go(1, true));
  return select(Math.max(tracks.findIndex((track) => track.playable), 0), { play: false });
}

byId("rows").addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (!row || (!event.target.closest("button") && !getSelection().isCollapsed)) return;
  const index = Number(row.dataset.index);
  if (index === current) {
    togglePlay();
    return;
  }
  /* What was found is played in a row. */
  queue = listed;
  select(index, { play: true });
});

byId("previous").addEventListener("click", () => go(-1, isPlaying()));
byId("next").addEventListener("click", () => go(1, isPlaying()));
byId("more").addEventListener("click", () => {
  const first = listed[rendered];
  renderUpTo(rendered + ROWS);
  rowOf.get(first)?.querySelector("button").focus();
});
byId("search").addEventListener("input", applyFilters);
byId("failed").addEventListener("change", applyFilters);
