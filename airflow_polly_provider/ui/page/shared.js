/* The page's address, its requests, and the text that several parts show. */

export const byId = (id) => document.getElementById(id);

/* Return an element with a text and attributes. */
export function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

/* Return a text from data as an element. Its direction does not change the text around it. */
export const isolated = (text) => element("bdi", text);

/* Parameters.

   Airflow 3.1 puts ids into the address without URL encoding, 3.2 and later with it. So a plus sign is a plus sign,
   and a value that cannot be decoded is taken as it is. */

function decoded(value) {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

export function readParameters(search) {
  const found = new Map();
  for (const part of search.replace(/^\?/, "").split("&")) {
    const [name, ...value] = part.split("=");
    if (!found.has(name)) found.set(name, decoded(value.join("=")));
  }
  const given = (name) => {
    const value = found.get(name) ?? "";
    /* Airflow leaves the name of what is not known, such as {TASK_ID}. */
    return /^\{[A-Z_]+\}$/.test(value) ? "" : value;
  };
  const mapIndex = given("map_index");
  return {
    runId: given("run_id"),
    taskId: given("task_id"),
    mapIndex: /^-?\d+$/.test(mapIndex) ? Number(mapIndex) : -1,
  };
}

export function routeUrl(route, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
  return `${route}?${given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}`;
}

/* Requests. */

export const UNREACHABLE = "The server could not be reached. Check the network, then reload this page.";

export class RequestError extends Error {}

/* Return the sentence in the answer of a failed request. */
export async function detailOf(answer) {
  try {
    const { detail } = await answer.json();
    if (typeof detail === "string" && detail) return detail;
  } catch { /* The answer is not JSON, for example that of a proxy. */ }
  return `The server answered with status ${answer.status}.`;
}

/* Return the JSON that a route answers with. A RequestError has a sentence for the user as its message. */
export async function readJson(url, signal) {
  let answer;
  try {
    answer = await fetch(url, { signal, headers: { Accept: "application/json" } });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new RequestError(UNREACHABLE);
  }
  if (!answer.ok) throw new RequestError(await detailOf(answer));
  try {
    return await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new RequestError("The answer of the server is not JSON. You may have been logged out: reload Airflow's UI.");
  }
}

/* Messages. */

export function showMessage(sentence, { kind = "note", reload = false } = {}) {
  const line = element("p", undefined, { class: `message ${kind}` });
  line.append(element("span", sentence, { dir: "auto" }));
  if (reload) {
    const button = element("button", "Reload", { type: "button", class: "button reload" });
    button.addEventListener("click", () => location.reload());
    line.append(button);
  }
  byId("messages").append(line);
  return line;
}

/* Text. */

export const isTime = (value) => Number.isFinite(value) && value >= 0;

/* Return a time in seconds as 1:02 or 1:02:03. */
export function clock(time) {
  const seconds = Math.floor(time);
  const pad = (value) => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${pad(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(seconds % 60)}`;
}

export const durationText = (seconds) => clock(Math.round(seconds));

export const number = (value) => value.toLocaleString("en");

/* Return a cost without a currency: the prices are in the user's one. */
export function costText(cost) {
  return cost.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: cost < 1 ? 6 : 2 });
}

/* Return the number of decimal places that all of the costs need, at most 6. */
export function decimalPlaces(costs) {
  const placesOf = (cost) => cost.toFixed(6).replace(/0+$/, "").split(".")[1].length;
  return costs.reduce((most, cost) => Math.max(most, placesOf(cost)), 2);
}

const STATUS = {
  completed: "Completed",
  failed: "Failed",
  inProgress: "In progress",
  scheduled: "Scheduled",
  notStarted: "Not started",
};
export const UNFINISHED = ["scheduled", "inProgress"];

export function statusText(track) {
  if (track.unchanged) return "Up to date";
  return Object.hasOwn(STATUS, track.status) ? STATUS[track.status] : String(track.status);
}

/* Return the kind of a status, for its colour. */
export function statusKind(track) {
  if (track.status === "failed") return "bad";
  if (track.unchanged || track.status === "completed") return "good";
  return UNFINISHED.includes(track.status) ? "busy" : "other";
}

export function taskText(track) {
  return track.map_index >= 0 ? `${track.task_id} [${track.map_index}]` : track.task_id;
}

/* Return the name of a track, and the task that it belongs to if this is not the name. */
export function nameOf(track) {
  return track.item ? { name: track.item, task: taskText(track) } : { name: taskText(track), task: "" };
}

/* Return the index of the last start that is not after the time; -1 if there is none. */
export function lastStarted(starts, time) {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export function markCurrent(shown, isCurrent) {
  if (!shown) return;
  if (isCurrent) shown.setAttribute("aria-current", "true");
  else shown.removeAttribute("aria-current");
}
