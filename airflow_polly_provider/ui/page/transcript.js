/* The text of a track: a paragraph for each segment of the transcript, with the current word marked.

   The words of a paragraph become elements only when it comes near the visible part of the box, because 100,000
   elements would take seconds and a lot of memory. */

import { byId, isTime, lastStarted, markCurrent } from "./shared.js";

const box = byId("text");
const empty = () => (
  { starts: new Float64Array(), words: [], segments: [], current: -1, tabStop: null, nearby: null }
);
let text = empty();
let seekTo = () => {};

export function onWord(seek) {
  seekTo = seek;
}

export function clearTranscript() {
  text.nearby?.disconnect();
  text = empty();
  box.replaceChildren();
  box.scrollTop = 0;
  byId("follow").checked = true;
  byId("transcript").hidden = true;
}

function isSegment(segment) {
  return isTime(segment?.startTime) && typeof segment.body === "string" &&
    (segment.words === undefined || Array.isArray(segment.words));
}

/* Return the words of a segment that have a time and a place in its text; without any, the whole segment. */
function wordsOf(segment, characters) {
  let end = 0;
  const words = [];
  for (const word of segment.words ?? []) {
    const fits = isTime(word?.startTime) && Number.isInteger(word.start) && Number.isInteger(word.end) &&
      end <= word.start && word.start < word.end && word.end <= characters;
    if (!fits) continue;
    words.push(word);
    end = word.end;
  }
  return words.length ? words : [{ startTime: segment.startTime, start: 0, end: characters }];
}

/* The number of code points, without an array for each segment of a long text. */
function codePoints(body) {
  let count = body.length;
  for (let index = 0; index < body.length - 1; index++) {
    if (body.codePointAt(index) > 0xffff) {
      count--;
      index++;
    }
  }
  return count;
}

/* Show the JSON transcript of a track. Return whether it has the form of one. */
export function showTranscript(content, language) {
  const listed = content?.segments;
  if (!Array.isArray(listed) || !listed.every(isSegment)) return false;
  const all = document.createDocumentFragment();
  for (const segment of listed.toSorted((one, other) => one.startTime - other.startTime)) {
    const paragraph = document.createElement("p");
    paragraph.dir = "auto";
    paragraph.textContent = segment.body;
    const index = text.segments.length;
    paragraph.dataset.segment = index;
    const words = wordsOf(segment, codePoints(segment.body));
    text.segments.push({ paragraph, body: segment.body, words, first: text.words.length, elements: null });
    words.forEach((word) => text.words.push({ startTime: word.startTime, segment: index }));
    all.append(paragraph);
  }
  /* The search needs ascending times, even if a word starts before the word in front of it. */
  let latest = 0;
  text.starts = Float64Array.from(text.words, (word) => (latest = Math.max(latest, word.startTime)));
  box.lang = language ?? "";
  box.append(all);
  byId("transcript").hidden = !listed.length;
  text.nearby = new IntersectionObserver((entries, observer) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      elementsOf(Number(entry.target.dataset.segment));
      observer.unobserve(entry.target);
    }
  }, { root: box, rootMargin: "100% 0px" });
  text.segments.forEach((segment) => text.nearby.observe(segment.paragraph));
  if (text.words.length) setTabStop(0);
  return true;
}

/* Return the elements of a segment's words. start and end count code points. */
function elementsOf(index) {
  const segment = text.segments[index];
  if (segment.elements) return segment.elements;
  const characters = Array.from(segment.body);
  const content = [];
  let end = 0;
  segment.elements = segment.words.map((word, number) => {
    content.push(characters.slice(end, word.start).join(""));
    const element = document.createElement("span");
    element.textContent = characters.slice(word.start, word.end).join("");
    element.dataset.word = segment.first + number;
    content.push(element);
    end = word.end;
    return element;
  });
  content.push(characters.slice(end).join(""));
  segment.paragraph.replaceChildren(...content);
  return segment.elements;
}

function elementOf(word) {
  const index = text.words[word].segment;
  return elementsOf(index)[word - text.segments[index].first];
}

/* Only one word is reached with Tab; the arrow keys lead from there to the others. */
function setTabStop(word) {
  text.tabStop?.removeAttribute("tabindex");
  text.tabStop = elementOf(word);
  text.tabStop.tabIndex = 0;
}

export function updateWord(time) {
  const word = lastStarted(text.starts, time);
  if (word === text.current) return;
  if (text.current >= 0) markCurrent(elementOf(text.current), false);
  text.current = word;
  if (word < 0) return;
  const shown = elementOf(word);
  markCurrent(shown, true);
  if (!box.contains(document.activeElement)) setTabStop(word);
  if (byId("follow").checked) scrollBoxTo(shown);
}

/* Scroll only the box. scrollIntoView would also scroll Airflow's UI around this page. */
function scrollBoxTo(shown) {
  const place = shown.getBoundingClientRect();
  const view = box.getBoundingClientRect();
  if (place.top < view.top || place.bottom > view.top + view.height * 0.85) {
    box.scrollTop += place.top - view.top - view.height / 3;
  }
}

function wordAt(target) {
  const shown = target.closest?.("[data-word]");
  return shown ? Number(shown.dataset.word) : null;
}

box.addEventListener("click", (event) => {
  const word = wordAt(event.target);
  if (word === null || !getSelection().isCollapsed) return;
  setTabStop(word);
  seekTo(text.words[word].startTime);
});

box.addEventListener("keydown", (event) => {
  const word = wordAt(event.target);
  if (word === null || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Enter") {
    seekTo(text.words[word].startTime);
  } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    const isForward = (event.key === "ArrowRight") === (getComputedStyle(event.target).direction === "ltr");
    const next = Math.min(Math.max(word + (isForward ? 1 : -1), 0), text.words.length - 1);
    setTabStop(next);
    text.tabStop.focus({ preventScroll: true });
    scrollBoxTo(text.tabStop);
  } else {
    return;
  }
  event.preventDefault();
});

/* Do not scroll back against the reader. */
for (const kind of ["wheel", "touchmove"]) {
  box.addEventListener(kind, () => {
    if (box.scrollHeight > box.clientHeight) byId("follow").checked = false;
  }, { passive: true });
}
