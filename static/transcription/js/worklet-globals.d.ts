/** What the audio thread offers to capture-worklet.js; TypeScript's own library describes only the page's side. */

declare const sampleRate: number;

declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;
