// @ts-check
/**
 * Audio arithmetic: any device rate to 16 kHz, float to 16-bit PCM, frames of 100 ms, loudness. Pure: no DOM, no socket,
 * no audio API, so that all of it runs under `node --test`.
 */

export const TARGET_RATE_HZ = 16000;
export const FRAME_MS = 100;
export const FRAME_SAMPLES = (TARGET_RATE_HZ * FRAME_MS) / 1000;
const MIN_RATE_HZ = 8000;
const MAX_RATE_HZ = 192000;

/** Zero crossings of the sinc on each side. 32 give a transition of about 1.3 kHz at the 16 kHz side. */
const ZERO_CROSSINGS = 32;
/** Kaiser window: about 80 dB of stop-band. */
const KAISER_BETA = 7.857;
/** Cut-off as a share of the lower Nyquist frequency: the stop-band begins where aliases would. */
const ROLL_OFF = 0.92;

/** @param {number} a @param {number} b @returns {number} */
function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Modified Bessel function of the first kind, order 0, by its power series. @param {number} x */
function besselI0(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-12; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** @param {number} x */
function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/**
 * One row of filter taps for each of the `numPhases` positions that an output sample can have between two input samples.
 *
 * @param {number} numPhases
 * @param {number} halfTaps taps on each side of the output's position
 * @param {number} cutoff cycles per input sample, times two (1 is the input's Nyquist frequency)
 * @returns {Float32Array[]} each row (2 * halfTaps,), unity gain at 0 Hz
 */
function designFilterBank(numPhases, halfTaps, cutoff) {
  const windowAtZero = besselI0(KAISER_BETA);
  return Array.from({ length: numPhases }, (_, phase) => {
    const row = new Float32Array(2 * halfTaps);
    let gain = 0;
    for (let tap = 0; tap < row.length; tap += 1) {
      const distance = tap - halfTaps + 1 - phase / numPhases;
      const edge = Math.max(0, 1 - (distance / halfTaps) ** 2);
      row[tap] = sinc(distance * cutoff) * (besselI0(KAISER_BETA * Math.sqrt(edge)) / windowAtZero);
      gain += row[tap];
    }
    return row.map((weight) => weight / gain);
  });
}

/**
 * Streaming resampler: the blocks' boundaries leave no trace in the output, and N input samples give exactly
 * ceil(N * targetRateHz / sourceRateHz) output samples once `flush` was called.
 */
export class Resampler {
  /**
   * @param {number} sourceRateHz
   * @param {number} [targetRateHz]
   */
  constructor(sourceRateHz, targetRateHz = TARGET_RATE_HZ) {
    for (const rateHz of [sourceRateHz, targetRateHz]) {
      if (!Number.isInteger(rateHz) || rateHz < MIN_RATE_HZ || rateHz > MAX_RATE_HZ) {
        throw new RangeError(`A sample rate is a whole number of ${MIN_RATE_HZ} to ${MAX_RATE_HZ} Hz, not ${rateHz}.`);
      }
    }
    const divisor = greatestCommonDivisor(sourceRateHz, targetRateHz);
    this.up = targetRateHz / divisor;
    this.down = sourceRateHz / divisor;
    this.isIdentity = this.up === this.down;
    const shrink = Math.min(1, this.up / this.down);
    this.halfTaps = Math.ceil(ZERO_CROSSINGS / shrink);
    this.bank = this.isIdentity ? [] : designFilterBank(this.up, this.halfTaps, shrink * ROLL_OFF);
    // Silence before the first sample, so that the first output sits on it and not half a filter later.
    this.pending = new Float32Array(this.halfTaps - 1);
    /** Position of the next output after the start of `pending`, in input samples * up. */
    this.position = 0;
    this.numIn = 0;
    this.numOut = 0;
  }

  /**
   * @param {Float32Array} block mono, at the source rate
   * @returns {Float32Array} mono, at the target rate; may be empty
   */
  process(block) {
    this.numIn += block.length;
    if (this.isIdentity) {
      this.numOut += block.length;
      return block.slice();
    }
    return this.#filter(block, Number.POSITIVE_INFINITY);
  }

  /** The tail that was waiting for samples to its right. The resampler is used up after this. */
  flush() {
    if (this.isIdentity) return new Float32Array(0);
    const numWanted = Math.ceil((this.numIn * this.up) / this.down) - this.numOut;
    return this.#filter(new Float32Array(this.halfTaps + 1), numWanted);
  }

  /** @param {Float32Array} block @param {number} maxSamples */
  #filter(block, maxSamples) {
    const input = new Float32Array(this.pending.length + block.length);
    input.set(this.pending);
    input.set(block, this.pending.length);
    const numTaps = 2 * this.halfTaps;
    const room = (input.length - numTaps + 1) * this.up - this.position;
    const numSamples = Math.max(0, Math.min(maxSamples, Math.ceil(room / this.down)));
    const output = new Float32Array(numSamples);
    for (let index = 0; index < numSamples; index += 1) {
      output[index] = this.#sampleAt(input, Math.floor(this.position / this.up), this.position % this.up);
      this.position += this.down;
    }
    const consumed = Math.min(input.length, Math.floor(this.position / this.up));
    this.pending = input.slice(consumed);
    this.position -= consumed * this.up;
    this.numOut += numSamples;
    return output;
  }

  /** @param {Float32Array} input @param {number} start @param {number} phase */
  #sampleAt(input, start, phase) {
    const row = this.bank[phase];
    let sum = 0;
    for (let tap = 0; tap < row.length; tap += 1) sum += row[tap] * input[start + tap];
    return sum;
  }
}

/**
 * @param {Float32Array} audio in [-1, 1]; what is outside is clipped, what is not a number becomes 0
 * @returns {ArrayBuffer} signed 16-bit little-endian
 */
export function encodePcm16(audio) {
  const bytes = new DataView(new ArrayBuffer(audio.length * 2));
  for (let index = 0; index < audio.length; index += 1) {
    const clipped = Math.max(-1, Math.min(1, audio[index] || 0));
    bytes.setInt16(index * 2, Math.round(clipped < 0 ? clipped * 0x8000 : clipped * 0x7fff), true);
  }
  return bytes.buffer;
}

/** Blocks at the device's rate in, frames of 100 ms of 16 kHz PCM out. */
export class FrameEncoder {
  /** @param {number} sourceRateHz */
  constructor(sourceRateHz) {
    this.resampler = new Resampler(sourceRateHz);
    this.frame = new Float32Array(FRAME_SAMPLES);
    this.numFilled = 0;
  }

  /** @param {Float32Array} block @returns {ArrayBuffer[]} the frames that became full */
  push(block) {
    return this.#fill(this.resampler.process(block));
  }

  /** Everything that is still inside; the last frame may be short. @returns {ArrayBuffer[]} */
  flush() {
    const frames = this.#fill(this.resampler.flush());
    if (this.numFilled > 0) frames.push(encodePcm16(this.frame.subarray(0, this.numFilled)));
    this.numFilled = 0;
    return frames;
  }

  /** @param {Float32Array} audio */
  #fill(audio) {
    const frames = [];
    for (let start = 0; start < audio.length; ) {
      const part = audio.subarray(start, start + FRAME_SAMPLES - this.numFilled);
      this.frame.set(part, this.numFilled);
      this.numFilled += part.length;
      start += part.length;
      if (this.numFilled === FRAME_SAMPLES) {
        frames.push(encodePcm16(this.frame));
        this.numFilled = 0;
      }
    }
    return frames;
  }
}

/** @param {Float32Array} audio @returns {{rms: number, peak: number}} both in [0, 1] for audio in [-1, 1] */
export function measureLevel(audio) {
  let energy = 0;
  let peak = 0;
  for (const sample of audio) {
    energy += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  return { rms: audio.length === 0 ? 0 : Math.sqrt(energy / audio.length), peak };
}

/** Where a level sits on a meter from -60 dBFS (0) to 0 dBFS (1). @param {number} level */
export function meterPosition(level) {
  return level <= 0 ? 0 : Math.max(0, Math.min(1, 1 + (20 * Math.log10(level)) / 60));
}

const DEAD_AFTER_S = 3;
const QUIET_AFTER_S = 8;
/** -52 dBFS after the browser's gain control: less than the noise of an open, working microphone in a quiet room. */
const QUIET_PEAK = 0.0025;

/** Notices a microphone that gives nothing: only zeros for 3 s, or next to nothing for 8 s. */
export class SilenceWatch {
  /** @param {number} sampleRateHz */
  constructor(sampleRateHz) {
    this.sampleRateHz = sampleRateHz;
    this.numZero = 0;
    this.numQuiet = 0;
  }

  /**
   * @param {number} peak of the block
   * @param {number} numSamples in the block
   * @returns {"ok" | "quiet" | "dead"}
   */
  push(peak, numSamples) {
    this.numZero = peak === 0 ? this.numZero + numSamples : 0;
    this.numQuiet = peak < QUIET_PEAK ? this.numQuiet + numSamples : 0;
    if (this.numZero >= DEAD_AFTER_S * this.sampleRateHz) return "dead";
    return this.numQuiet >= QUIET_AFTER_S * this.sampleRateHz ? "quiet" : "ok";
  }
}
