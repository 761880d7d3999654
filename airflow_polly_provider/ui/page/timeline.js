/* The timeline of the player, and the chapters: marks on the timeline and a list. */

import { byId, clock, element, isTime, lastStarted, markCurrent } from "./shared.js";

const STEP_SECONDS = 5;
const SNAP_PIXELS = 5;
/* More marks than this are drawn thin, so that they do not hide the timeline. */
const MANY_MARKS = 40;
/* A browser may round the time of a seek, and would then be in the chapter before. */
const ROUNDING_SECONDS = 0.001;

const timeline = byId("timeline");
const bubble = byId("bubble");
const empty = () => ({ starts: [], titles: [], buttons: [], current: -1 });
let chapters = empty();
let duration = 0;
let position = 0;
let dragged = null;
let seekTo = () => {};

export function onSeek(seek) {
  seekTo = seek;
}

/* Chapters. */

export function clearChapters() {
  chapters = empty();
  dragged = null;
  byId("chapter-list").replaceChildren();
  byId("marks").replaceChildren();
  byId("chapters").hidden = true;
}

/* Show the chapters of a track. Return whether the content has the expected form. */
export function showChapters(content) {
  const listed = content?.chapters;
  if (!Array.isArray(listed) || !listed.every((chapter) => isTime(chapter?.start))) return false;
  const shown = listed.toSorted((one, other) => one.start - other.start);
  const levels = shown.map((chapter) => (Number.isInteger(chapter.level) ? chapter.level : 1));
  const top = levels.reduce((lowest, level) => Math.min(lowest, level), Infinity);
  chapters = { ...empty(), starts: shown.map((chapter) => chapter.start) };
  const items = shown.map((chapter, index) => {
    const title = typeof chapter.title === "string" && chapter.title ? chapter.title : `Chapter ${index + 1}`;
    const button = element("button", undefined, { type: "button" });
    button.append(element("time", clock(chapter.start)), element("span", title, { dir: "auto" }));
    button.style.paddingInlineStart = `${0.5 + 0.9 * Math.min(levels[index] - top, 5)}rem`;
    button.addEventListener("click", () => seekTo(chapter.start));
    chapters.titles.push(title);
    chapters.buttons.push(button);
    const item = document.createElement("li");
    item.append(button);
    return item;
  });
  byId("chapter-list").replaceChildren(...items);
  byId("chapters").hidden = !shown.length;
  drawMarks();
  return true;
}

function drawMarks() {
  if (!duration) return;
  const starts = chapters.starts.filter((start) => start > 0 && start < duration);
  byId("marks").classList.toggle("many", starts.length > MANY_MARKS);
  byId("marks").replaceChildren(...starts.map((start) => {
    const mark = element("span", undefined, { class: "mark" });
    mark.style.left = `${(100 * start) / duration}%`;
    return mark;
  }));
}

function updateChapter(time) {
  const index = lastStarted(chapters.starts, time + ROUNDING_SECONDS);
  if (index === chapters.current) return;
  markCurrent(chapters.buttons[chapters.current], false);
  chapters.current = index;
  const button = chapters.buttons[index];
  markCurrent(button, true);
  if (!button) return;
  /* Scroll only the list. scrollIntoView would also scroll Airflow's UI around this page. */
  const list = byId("chapter-list");
  const place = button.getBoundingClientRect();
  const view = list.getBoundingClientRect();
  if (place.top < view.top || place.bottom > view.bottom) list.scrollTop += place.top - view.top - view.height / 3;
}

/* The timeline. */

export function setDuration(seconds) {
  duration = seconds;
  byId("duration").textContent = duration ? clock(duration) : "";
  timeline.setAttribute("aria-valuemax", Math.round(duration));
  drawMarks();
  draw();
}

export function updateTime(time) {
  position = time;
  draw();
  updateChapter(time);
}

export function updateBuffered(ranges) {
  let end = 0;
  for (let index = 0; index < ranges.length; index++) {
    if (ranges.start(index) <= position + 1) end = Math.max(end, ranges.end(index));
  }
  byId("buffered").style.width = duration ? `${Math.min((100 * end) / duration, 100)}%` : "0";
}

function draw() {
  const time = dragged ?? position;
  const share = duration ? `${Math.min((100 * time) / duration, 100)}%` : "0%";
  byId("played").style.width = share;
  byId("knob").style.left = share;
  const shown = clock(time);
  if (byId("position").textContent !== shown) byId("position").textContent = shown;
  const title = titleAt(time);
  const spoken = `${shown} of ${clock(duration)}${title ? `, ${title}` : ""}`;
  if (timeline.getAttribute("aria-valuetext") === spoken) return;
  timeline.setAttribute("aria-valuenow", Math.floor(time));
  timeline.setAttribute("aria-valuetext", spoken);
}

function titleAt(time) {
  return chapters.titles[lastStarted(chapters.starts, time + ROUNDING_SECONDS)] ?? "";
}

/* Return the time at a place on the timeline. Near a mark it is the start of that chapter. */
function timeAt(event) {
  const rail = byId("rail").getBoundingClientRect();
  const time = duration * Math.min(Math.max((event.clientX - rail.left) / rail.width, 0), 1);
  const snap = (SNAP_PIXELS * duration) / rail.width;
  const before = lastStarted(chapters.starts, time);
  const [nearest] = [chapters.starts[before], chapters.starts[before + 1]]
    .filter((start) => start !== undefined && Math.abs(start - time) <= snap)
    .toSorted((one, other) => Math.abs(one - time) - Math.abs(other - time));
  return nearest ?? time;
}

function showBubble(event) {
  if (!duration) return;
  const time = timeAt(event);
  const title = titleAt(time);
  bubble.textContent = title ? `${clock(time)}  ${title}` : clock(time);
  bubble.hidden = false;
  const rail = byId("rail").getBoundingClientRect();
  const half = bubble.offsetWidth / 2;
  const left = Math.min(Math.max(event.clientX, half + 4), innerWidth - half - 4);
  bubble.style.left = `${left - rail.left}px`;
}

timeline.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !duration) return;
  timeline.setPointerCapture(event.pointerId);
  dragged = timeAt(event);
  draw();
});

timeline.addEventListener("pointermove", (event) => {
  showBubble(event);
  if (dragged === null) return;
  dragged = timeAt(event);
  draw();
});

timeline.addEventListener("pointerup", () => {
  if (dragged === null) return;
  const time = dragged;
  dragged = null;
  seekTo(time);
});

timeline.addEventListener("pointercancel", () => {
  dragged = null;
  draw();
});

timeline.addEventListener("pointerleave", () => { bubble.hidden = true; });

const KEYS = {
  ArrowLeft: () => position - STEP_SECONDS,
  ArrowDown: () => position - STEP_SECONDS,
  ArrowRight: () => position + STEP_SECONDS,
  ArrowUp: () => position + STEP_SECONDS,
  Home: () => 0,
  End: () => duration,
  /* The chapter before: its start, or if that is near, the one before it. */
  PageUp: () => chapters.starts[lastStarted(chapters.starts, position - 2)] ?? 0,
  PageDown: () => chapters.starts[lastStarted(chapters.starts, position + ROUNDING_SECONDS) + 1] ?? duration,
};

timeline.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(KEYS, event.key) || !duration) return;
  event.preventDefault();
  seekTo(Math.min(Math.max(KEYS[event.key](), 0), duration));
});
