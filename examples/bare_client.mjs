// Sends a recording to Hark as if it were spoken now, and prints the text. No package needed.
//
//   node examples/bare_client.mjs FILE [ADDRESS]     FILE: WAV or bare samples, 16-bit little-endian, mono, 16 kHz
//
// Node 22 or newer. Node 20 has the same WebSocket behind a flag: node --experimental-websocket examples/bare_client.mjs …
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";

const CHUNK_BYTES = 3200; // 100 ms
const [, , path, address = "ws://127.0.0.1:8000/stream"] = process.argv;
if (!path) throw new Error("Give the recording: node examples/bare_client.mjs FILE [ADDRESS]");
const content = readFileSync(path);
const audio = content.toString("latin1", 0, 4) === "RIFF" ? content.subarray(content.indexOf("data") + 8) : content;
const socket = new WebSocket(address);

socket.onmessage = (event) => {
  const message = JSON.parse(event.data);
  console.log(message.type, message.text ?? message.message ?? "");
};
socket.onerror = () => {
  console.error(`No answer from ${address}`);
  process.exitCode = 1;
};
socket.onopen = async () => {
  for (let start = 0; start < audio.length; start += CHUNK_BYTES) {
    socket.send(audio.subarray(start, start + CHUNK_BYTES));
    await setTimeout(100);
  }
  socket.send('{"type": "end"}');
};
