// @ts-check
import assert from "node:assert/strict";
import test from "node:test";
import {
  encodePcm16,
  FrameEncoder,
  measureLevel,
  meterPosition,
  Resampler,
  SilenceWatch,
  TARGET_RATE_HZ,
} from "../../static/transcription/js/pcm.js";

const DEVICE_RATES_HZ = [16000, 22050, 44100, 48000, 96000];
const EDGE_SAMPLES = 400;

/** @param {number} frequencyHz @param {number} rateHz @param {number} seconds */
function tone(frequencyHz, rateHz, seconds) {
  return Float32Array.from(
    { length: Math.round(rateHz * seconds) },
    (_, n) => 0.5 * Math.sin((2 * Math.PI * frequencyHz * n) / rateHz),
  );
}

/** @param {Float32Array[]} parts */
function join(parts) {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

/** @param {Float32Array} audio @param {number} rateHz @param {number[]} sizes of the blocks, used in turn */
function resampleInBlocks(audio, rateHz, sizes) {
  const resampler = new Resampler(rateHz);
  const parts = [];
  for (let start = 0, turn = 0; start < audio.length; turn += 1) {
    const size = sizes[turn % sizes.length];
    parts.push(resampler.process(audio.subarray(start, start + size)));
    start += size;
  }
  return join([...parts, resampler.flush()]);
}

/** Amplitude of one frequency, by correlation over whole periods. @param {Float32Array} audio @param {number} frequencyHz */
function amplitudeAt(audio, frequencyHz) {
  let [cosine, sine] = [0, 0];
  audio.forEach((sample, n) => {
    const angle = (2 * Math.PI * frequencyHz * n) / TARGET_RATE_HZ;
    cosine += sample * Math.cos(angle);
    sine += sample * Math.sin(angle);
  });
  return (2 * Math.hypot(cosine, sine)) / audio.length;
}

/** Frequency from the first to the last rising zero crossing, each interpolated. @param {Float32Array} audio */
function frequencyOf(audio) {
  const crossings = [];
  for (let n = 1; n < audio.length; n += 1) {
    if (audio[n - 1] < 0 && audio[n] >= 0) crossings.push(n - audio[n] / (audio[n] - audio[n - 1]));
  }
  return ((crossings.length - 1) * TARGET_RATE_HZ) / (crossings[crossings.length - 1] - crossings[0]);
}

for (const rateHz of DEVICE_RATES_HZ) {
  test(`a 1 kHz tone at ${rateHz} Hz stays at 1,000 Hz and keeps its loudness`, () => {
    const output = resampleInBlocks(tone(1000, rateHz, 1), rateHz, [128]).subarray(EDGE_SAMPLES, -EDGE_SAMPLES);
    assert.ok(Math.abs(frequencyOf(output) - 1000) < 2, `${frequencyOf(output)} Hz`);
    assert.ok(Math.abs(amplitudeAt(output.subarray(0, 14400), 1000) - 0.5) < 0.005);
  });

  test(`the duration of audio at ${rateHz} Hz is kept to the sample`, () => {
    for (const numSamples of [1, 127, rateHz, rateHz * 2 + 13]) {
      const output = resampleInBlocks(new Float32Array(numSamples), rateHz, [960]);
      assert.equal(output.length, Math.ceil((numSamples * TARGET_RATE_HZ) / rateHz));
    }
  });

  test(`block sizes leave no trace at ${rateHz} Hz`, () => {
    const audio = tone(440, rateHz, 0.5);
    const whole = resampleInBlocks(audio, rateHz, [audio.length]);
    assert.deepEqual(resampleInBlocks(audio, rateHz, [1, 7, 128, 1000]), whole);
  });

  test(`sound keeps its place in time at ${rateHz} Hz`, () => {
    const audio = new Float32Array(rateHz);
    audio[rateHz / 2] = 1;
    const output = resampleInBlocks(audio, rateHz, [128]);
    assert.equal(output.indexOf(Math.max(...output)), TARGET_RATE_HZ / 2);
  });
}

for (const rateHz of DEVICE_RATES_HZ.filter((rate) => rate > 20000)) {
  test(`the alias of a 10 kHz tone at ${rateHz} Hz is at least 40 dB down`, () => {
    const output = resampleInBlocks(tone(10000, rateHz, 1), rateHz, [128]).subarray(EDGE_SAMPLES, EDGE_SAMPLES + 14400);
    const attenuationDb = 20 * Math.log10(0.5 / amplitudeAt(output, 6000));
    assert.ok(attenuationDb > 40, `${attenuationDb} dB`);
    assert.ok(measureLevel(output).peak < 0.005, "nothing else is left of it either");
  });
}

test("speech up to 7 kHz passes within half a decibel", () => {
  const output = resampleInBlocks(tone(7000, 48000, 1), 48000, [128]).subarray(EDGE_SAMPLES, EDGE_SAMPLES + 14400);
  assert.ok(Math.abs(20 * Math.log10(amplitudeAt(output, 7000) / 0.5)) < 0.5);
});

test("a rate that no device has is refused", () => {
  for (const rateHz of [0, 44100.5, -48000, 4000, 400000, Number.NaN]) {
    assert.throws(() => new Resampler(rateHz), RangeError);
  }
});

test("loud audio is clipped, not wrapped", () => {
  const pcm = new Int16Array(encodePcm16(Float32Array.of(2, 1, 0.5, 0, -0.5, -1, -2, Number.NaN)));
  assert.deepEqual([...pcm], [32767, 32767, 16384, 0, -16384, -32768, -32768, 0]);
});

test("samples are little-endian", () => {
  assert.deepEqual([...new Uint8Array(encodePcm16(Float32Array.of(-0.5)))], [0x00, 0xc0]);
});

test("frames are 100 ms, the last one holds the rest", () => {
  const encoder = new FrameEncoder(48000);
  const frames = [...encoder.push(new Float32Array(48000 + 4800 / 2)), ...encoder.flush()];
  assert.deepEqual(
    frames.map((frame) => frame.byteLength),
    [...Array(10).fill(3200), 1600],
  );
});

test("a long recording at 44.1 kHz loses nothing between frames", () => {
  const encoder = new FrameEncoder(44100);
  let numBytes = 0;
  for (let block = 0; block < 1000; block += 1) {
    for (const frame of encoder.push(new Float32Array(882))) numBytes += frame.byteLength;
  }
  for (const frame of encoder.flush()) numBytes += frame.byteLength;
  assert.equal(numBytes, 20 * TARGET_RATE_HZ * 2);
});

test("the level of a full-scale square is 1, that of nothing is 0", () => {
  assert.deepEqual(measureLevel(Float32Array.of(1, -1, 1, -1)), { rms: 1, peak: 1 });
  assert.deepEqual(measureLevel(new Float32Array(0)), { rms: 0, peak: 0 });
});

test("the meter runs from -60 dBFS to 0 dBFS", () => {
  assert.equal(meterPosition(0), 0);
  assert.equal(meterPosition(0.0001), 0);
  assert.ok(Math.abs(meterPosition(0.0316) - 0.5) < 0.01);
  assert.equal(meterPosition(1), 1);
});

test("three seconds of zeros are a dead microphone, one sound revives it", () => {
  const watch = new SilenceWatch(48000);
  assert.equal(watch.push(0, 2.9 * 48000), "ok");
  assert.equal(watch.push(0, 0.2 * 48000), "dead");
  assert.equal(watch.push(0.1, 960), "ok");
});

test("eight seconds of next to nothing are a quiet microphone", () => {
  const watch = new SilenceWatch(48000);
  assert.equal(watch.push(0.0005, 7.9 * 48000), "ok");
  assert.equal(watch.push(0.0005, 0.2 * 48000), "quiet");
});
