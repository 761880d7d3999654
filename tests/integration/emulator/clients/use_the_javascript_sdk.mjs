// Start, wait, list and speak with the unmodified JavaScript SDK: use_the_javascript_sdk.mjs ENDPOINT_URL BUCKET
import {
  GetSpeechSynthesisTaskCommand, ListSpeechSynthesisTasksCommand, PollyClient,
  StartSpeechSynthesisTaskCommand, SynthesizeSpeechCommand,
} from "@aws-sdk/client-polly";

const [endpoint, bucket] = process.argv.slice(2);
const polly = new PollyClient({ endpoint });
const request = { Text: "Hello", VoiceId: "Joanna", OutputFormat: "mp3" };
const started = await polly.send(
  new StartSpeechSynthesisTaskCommand({ ...request, OutputS3BucketName: bucket }));
let status = "";
while (status !== "completed" && status !== "failed") {
  const got = await polly.send(
    new GetSpeechSynthesisTaskCommand({ TaskId: started.SynthesisTask.TaskId }));
  status = got.SynthesisTask.TaskStatus;
}
const listed = await polly.send(new ListSpeechSynthesisTasksCommand({ Status: "completed" }));
let error = null;
try {
  await polly.send(new GetSpeechSynthesisTaskCommand({ TaskId: "unknown" }));
} catch (raised) {
  error = raised.name;
}
// Send the requests at the same time: over HTTP/2 they share a connection.
const spoken = await Promise.all(
  [1, 2, 3, 4].map(() => polly.send(new SynthesizeSpeechCommand(request))));
const audio = await Promise.all(spoken.map((each) => each.AudioStream.transformToByteArray()));
console.log(JSON.stringify({
  status, listed: listed.SynthesisTasks.length, error, bytes: Math.min(...audio.map((each) => each.length)),
  protocol: polly.config.requestHandler.metadata.handlerProtocol,
}));
polly.destroy();
