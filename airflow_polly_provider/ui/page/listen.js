/* The page of the Listen tab. It plays the speech of a task or of a DAG run.

   The address of the page has run_id, and for a task task_id and map_index. All requests go to the same folder.
   Everything from data is shown as text.

   Tests use these ids:
     html[data-ready]          the first data, or the error, is shown; html[data-theme] is "light" or "dark"
     title, totals             heading of a playlist, its totals
     messages                  sentences; .message.bad is an error, .message .reload the button to reload
     player                    track-name, track-task, track-status, reason, caption, audio,
                               previous, play, next, position, timeline (marks, bubble), duration, mute, volume, speed
     playlist                  search, failed, count, rows (a tr for each track), more
     details                   facts, download, chapters (chapter-list), transcript (follow, text)
   aria-current marks the current row, chapter and word. */

import {
  RequestError, UNFINISHED, byId, costText, durationText, number, readJson, readParameters, routeUrl, showMessage,
} from "./shared.js";
import { fact } from "./facts.js";
import { setRun, showTrack } from "./player.js";
import { showPlaylist } from "./playlist.js";

/* Below this width the details are closed, so that the list is near. */
const isWide = matchMedia("(min-width: 1100px)");

function showTotals(totals) {
  const entries = [fact("Tracks", number(totals.tracks)), fact("Completed", number(totals.completed))];
  if (totals.failed) entries.push(fact("Failed", number(totals.failed)));
  if (totals.unchanged) entries.push(fact("Up to date", number(totals.unchanged)));
  if (Number.isFinite(totals.seconds)) entries.push(fact("Duration", durationText(totals.seconds)));
  if (Number.isFinite(totals.characters)) entries.push(fact("Billed characters", number(totals.characters)));
  if (Number.isFinite(totals.cost)) entries.push(fact("Cost", costText(totals.cost)));
  byId("totals").replaceChildren(...entries);
  byId("totals").hidden = false;
}

function tellUnfinished(tracks) {
  const count = tracks.filter((track) => UNFINISHED.includes(track.status)).length;
  if (!count) return;
  const some = `${number(count)} of ${number(tracks.length)} tracks ${count === 1 ? "was" : "were"}`;
  const what = tracks.length === 1 ? "This audio was" : some;
  showMessage(`${what} not finished when the task last reported it. Reload to read the newest report.`, { reload: true });
}

async function show(playlist, isRun) {
  const { tracks, totals, messages } = playlist;
  const title = `Audio of this ${isRun ? "DAG run" : "task"}`;
  messages.forEach((sentence) => showMessage(sentence));
  if (!tracks.length) {
    if (!messages.length) showMessage(`This ${isRun ? "DAG run" : "task"} has no audio to play.`);
    return;
  }
  tellUnfinished(tracks);
  byId("columns").hidden = false;
  if (tracks.length === 1) {
    document.documentElement.classList.add("single");
    byId("title").textContent = title;
    await showTrack(tracks[0]);
    return;
  }
  byId("title").textContent = title;
  showTotals(totals);
  byId("details").open = isWide.matches;
  isWide.addEventListener("change", () => { byId("details").open = isWide.matches; });
  await showPlaylist(tracks);
}

async function start() {
  const { runId, taskId, mapIndex } = readParameters(location.search);
  const isRun = !taskId;
  setRun(runId);
  try {
    if (!runId) {
      throw new RequestError("The address has no run. Open the Listen tab of a task or of a DAG run in Airflow.");
    }
    const url = isRun
      ? routeUrl("run", { run_id: runId })
      : routeUrl("task", { run_id: runId, task_id: taskId, map_index: mapIndex });
    const playlist = await readJson(url);
    byId("loading").remove();
    await show(playlist, isRun);
  } catch (error) {
    byId("loading")?.remove();
    if (!(error instanceof RequestError)) {
      showMessage("This page failed. Reload it.", { kind: "bad", reload: true });
      throw error;
    }
    showMessage(error.message, { kind: "bad", reload: Boolean(runId) });
  }
  document.documentElement.dataset.ready = "true";
}

start();
