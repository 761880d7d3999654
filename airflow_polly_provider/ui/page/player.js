/* Plays one track, with its captions, chapters and transcript. */

import {
  RequestError, UNFINISHED, UNREACHABLE, byId, detailOf, nameOf, readJson, routeUrl, showMessage, statusKind,
  statusText,
} from "./shared.js";
import { showFacts } from "./facts.js";
import { clearChapters, onSeek, setDuration, showChapters, updateBuffered, updateTime } from "./timeline.js";
import { clearTranscript, onWord, showTranscript, updateWord } from "./transcript.js";

const audio = byId("audio");
let shown = { track: null, requests: new AbortController(), messages: [], cannotSeek: false };
let runId = "";

export function setRun(id) {
  runId = id;
}

function tell(sentence) {
  shown.messages.push(showMessage(sentence, { kind: "bad" }));
}

/* A track. */

/* Show a track instead of the one before. Return when its chapters and its transcript are shown. */
export async function showTrack(track, { play = false } = {}) {
  shown.requests.abort();
  shown.messages.forEach((line) => line.remove());
  shown = { track, requests: new AbortController(), messages: [], cannotSeek: false };
  clearChapters();
  clearTranscript();
  const url = (route) => routeUrl(route, {
    run_id: runId, task_id: track.task_id, map_index: track.map_index, item: track.item,
  });
  showHeading(track);
  showFacts(track, url("audio"));
  byId("player").hidden = false;
  byId("controls").hidden = !track.playable;
  for (const element of audio.querySelectorAll("track")) element.remove();
  byId("caption").textContent = "";
  byId("caption").hidden = !(track.playable && track.captions);
  updateBuffered([]);
  setDuration(track.seconds ?? 0);
  /* Without a source, this is the place where the next one starts. */
  audio.currentTime = 0;
  if (track.playable) {
    audio.src = url("audio");
    keepSpeed();
    if (track.captions) addCaptions(url("captions"), track.language);
  } else {
    audio.removeAttribute("src");
    audio.load();
  }
  update();
  if (track.playable && play) startPlaying();
  const { signal } = shown.requests;
  const showText = (content) => showTranscript(content, track.language);
  await Promise.all([
    track.transcript && load("transcript", url("transcript"), signal, showText),
    track.chapters && load("chapters", url("chapters"), signal, showChapters),
  ]);
  if (!signal.aborted) update();
}

async function load(what, url, signal, show) {
  try {
    const content = await readJson(url, signal);
    if (signal.aborted || show(content)) return;
    tell(`The ${what} could not be shown: the file does not have the expected form.`);
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof RequestError)) throw error;
    tell(`The ${what} could not be loaded. ${error.message}`);
  }
}

function showHeading(track) {
  const { name, task } = nameOf(track);
  byId("track-name").textContent = name;
  byId("track-task").textContent = task;
  document.title = `${name} – Listen`;
  const status = byId("track-status");
  status.textContent = statusText(track);
  status.className = `status ${statusKind(track)}`;
  const reason = byId("reason");
  reason.textContent = track.reason ?? (track.playable ? "" : reasonOf(track));
  reason.className = track.status === "failed" ? "bad" : "note";
  reason.hidden = !reason.textContent;
}

function reasonOf(track) {
  if (UNFINISHED.includes(track.status)) return "Amazon Polly had not finished this audio when the task last reported it.";
  if (track.status === "failed") return "The task failed. Its log says why.";
  return "This track has no audio.";
}

/* Captions. An audio element does not show them. */

function addCaptions(url, language) {
  const element = document.createElement("track");
  element.kind = "captions";
  if (language) element.srclang = language;
  byId("caption").lang = language ?? "";
  element.src = url;
  const isShown = () => element.parentNode === audio;
  element.addEventListener("error", () => {
    if (isShown()) tell("The captions could not be loaded, or they are not a WebVTT file.");
  });
  element.track.addEventListener("cuechange", () => {
    if (!isShown()) return;
    const texts = Array.from(element.track.activeCues ?? [], (cue) => cue.getCueAsHTML().textContent);
    byId("caption").textContent = texts.join("\n");
  });
  audio.append(element);
  element.track.mode = "hidden";
}

/* Playback. */

/* The style sheet places the details below the player. */
new ResizeObserver(([entry]) => {
  document.documentElement.style.setProperty("--player-height", `${entry.target.offsetHeight}px`);
}).observe(byId("player"));

export const isPlaying = () => !audio.paused && !audio.ended;

function startPlaying() {
  /* Refused if the user has not touched the page yet. The button then still shows Play. */
  audio.play().catch(() => {});
}

/* Load the audio again after an error, such as an address that has expired. */
function loadAgain() {
  const time = audio.currentTime;
  shown.messages.forEach((line) => line.remove());
  audio.load();
  audio.currentTime = time;
}

export function togglePlay() {
  if (!shown.track?.playable) return;
  if (audio.error) loadAgain();
  if (audio.paused) startPlaying();
  else audio.pause();
}

function seek(time) {
  if (!shown.track?.playable) return;
  audio.currentTime = time;
  update();
  if (audio.readyState === 0 || shown.cannotSeek || audio.currentTime >= Math.min(time, audio.duration) - 1) return;
  shown.cannotSeek = true;
  tell("The browser cannot jump within this audio, because the server does not answer Range requests.");
}

onSeek(seek);
onWord(seek);

function update() {
  const time = audio.currentTime;
  updateTime(time);
  updateWord(time);
}

let frame = 0;

/* timeupdate comes only four times a second, so the word is looked for in each frame. */
function updateWhilePlaying() {
  cancelAnimationFrame(frame);
  update();
  if (!audio.paused) frame = requestAnimationFrame(updateWhilePlaying);
}

function showPlaying() {
  const label = audio.paused ? "Play" : "Pause";
  byId("play").setAttribute("aria-label", label);
  byId("play").title = label;
  document.documentElement.classList.toggle("playing", !audio.paused);
}

function showDuration() {
  const isKnown = Number.isFinite(audio.duration) && audio.duration > 0;
  setDuration(isKnown ? audio.duration : shown.track?.seconds ?? 0);
}

/* Say why the audio cannot be played. Only a request tells, because the element does not have the answer. */
async function explainError() {
  const { signal } = shown.requests;
  if (!audio.getAttribute("src")) return;
  audio.pause();
  let sentence;
  try {
    const answer = await fetch(audio.src, { signal, redirect: "manual", headers: { Range: "bytes=0-0" } });
    if (answer.ok) {
      sentence = "The browser cannot play this audio: it is damaged, or the browser does not know its format.";
    } else if (answer.type === "opaqueredirect") {
      sentence = "The audio could not be loaded from Amazon S3. Reload this page.";
    } else {
      sentence = `The audio could not be loaded. ${await detailOf(answer)}`;
    }
  } catch {
    sentence = UNREACHABLE;
  }
  /* In the meantime, another track was chosen, or this one was loaded again. */
  if (!signal.aborted && audio.error) tell(sentence);
}

for (const kind of ["seeking", "seeked", "timeupdate"]) audio.addEventListener(kind, update);
for (const kind of ["play", "pause", "ended", "emptied"]) audio.addEventListener(kind, showPlaying);
for (const kind of ["loadedmetadata", "durationchange"]) audio.addEventListener(kind, showDuration);
audio.addEventListener("play", updateWhilePlaying);
audio.addEventListener("progress", () => updateBuffered(audio.buffered));
audio.addEventListener("error", explainError);

export function onEnd(next) {
  audio.addEventListener("ended", next);
}

/* Controls. */

/* A new source would play at the default speed. */
function keepSpeed() {
  audio.defaultPlaybackRate = audio.playbackRate = Number(byId("speed").value);
}

byId("play").addEventListener("click", togglePlay);
byId("speed").addEventListener("change", keepSpeed);
byId("volume").addEventListener("input", () => {
  audio.volume = Number(byId("volume").value);
  audio.muted = false;
});
byId("mute").addEventListener("click", () => {
  if (audio.volume === 0) audio.volume = 1;
  else audio.muted = !audio.muted;
});
audio.addEventListener("volumechange", () => {
  const isMuted = audio.muted || audio.volume === 0;
  byId("mute").setAttribute("aria-pressed", String(isMuted));
  byId("volume").value = audio.muted ? 0 : audio.volume;
});

document.addEventListener("keydown", (event) => {
  if (event.key !== " " || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.closest?.("a, button, input, select, textarea, summary") || !shown.track?.playable) return;
  event.preventDefault();
  if (!event.repeat) togglePlay();
});
