/* The facts about a track: its voice, size, cost and place, with buttons to copy and a link to download. */

import { byId, costText, durationText, element, isolated, number } from "./shared.js";

const COPIED_MILLISECONDS = 2000;

/* Return an entry of a list of facts. */
export function fact(label, value, { copy = false, wide = false } = {}) {
  const entry = element("div", undefined, wide ? { class: "wide" } : {});
  const shown = element("dd");
  shown.append(isolated(value));
  if (copy) shown.append(copyButton(label, value));
  entry.append(element("dt", label), shown);
  return entry;
}

/* Copy a text. Without HTTPS, the browser has no clipboard object. */
async function copyText(value) {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch { /* Use the older way. */ }
  const focused = document.activeElement;
  const area = element("textarea", undefined, { class: "offscreen", readonly: "" });
  area.value = value;
  document.body.append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
    focused?.focus();
  }
}

function copyButton(label, value) {
  const button = element("button", "Copy", { type: "button", class: "button small copy" });
  button.setAttribute("aria-label", `Copy: ${label}`);
  button.addEventListener("click", async () => {
    const isCopied = await copyText(value);
    button.textContent = isCopied ? "Copied" : "Not copied";
    button.setAttribute("aria-label", `${button.textContent}: ${label}`);
    setTimeout(() => {
      button.textContent = "Copy";
      button.setAttribute("aria-label", `Copy: ${label}`);
    }, COPIED_MILLISECONDS);
  });
  return button;
}

/* Return whether this page may download files. The sandbox of Airflow's frame allows it from Airflow 3.3. */
export function mayDownload() {
  try {
    for (let view = window; view !== view.parent; view = view.parent) {
      const frame = view.frameElement;
      if (!frame) return false;
      if (frame.hasAttribute("sandbox") && !frame.sandbox.contains("allow-downloads")) return false;
    }
  } catch {
    return false;
  }
  return true;
}

const sampleRate = (rate) => (/^\d+$/.test(rate) ? `${number(Number(rate))} Hz` : rate);

function durationFact(seconds) {
  return seconds < 60 ? `${seconds.toLocaleString("en", { maximumFractionDigits: 1 })} s` : durationText(seconds);
}

export function showFacts(track, audioUrl) {
  const entries = [];
  const add = (label, value, options) => {
    if (value !== null && value !== undefined && value !== "") entries.push(fact(label, String(value), options));
  };
  const { characters, spoken_characters: spoken, seconds, cost } = track;
  add("Voice", track.voice);
  add("Engine", track.engine);
  add("Language", track.language);
  add("Format", [track.format, track.sample_rate && sampleRate(track.sample_rate)].filter(Boolean).join(", "));
  if (Number.isFinite(seconds)) add("Duration", durationFact(seconds));
  if (Number.isFinite(characters)) add("Billed characters", number(characters));
  if (Number.isFinite(spoken) && spoken !== characters) add("Spoken characters", number(spoken));
  if (Number.isFinite(cost)) add("Cost", costText(cost));
  if (track.unchanged) add("Unchanged", "Up to date, nothing was billed");
  add("Task", track.item ? track.task_id : null);
  add("TaskId", track.synthesis_task_id, { copy: true, wide: true });
  add("S3 URI", track.s3_uri, { copy: true, wide: true });
  byId("facts").replaceChildren(...entries);
  const download = byId("download");
  download.hidden = !track.downloadable || !mayDownload();
  download.href = audioUrl;
  download.download = track.s3_uri?.split("/").pop() ?? "";
  byId("information").hidden = !entries.length;
}
