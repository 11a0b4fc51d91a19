// A payload of packing.py as typed arrays, and what follows from them. Pure: no element is touched here.
const HALF = (() => {
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits >> 15 ? -1 : 1, power = (bits >> 10) & 31, rest = bits & 1023;
    if (power === 31) table[bits] = rest ? NaN : sign * Infinity;
    else table[bits] = sign * (power ? (1 + rest / 1024) * 2 ** (power - 15) : (rest / 1024) * 2 ** -14);
  }
  return table;
})();

const inflate = async (text) => {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

const arraysOf = (raw, index) => {
  const out = {};
  for (const [name, [kind, shape, at, scale]] of Object.entries(index)) {
    const n = shape.reduce((a, b) => a * b, 1);
    if (kind === "u1") {
      out[name] = raw.subarray(at, at + n);
      continue;
    }
    const array = kind === "f2" ? new Float32Array(n) : new Int16Array(n);
    for (let i = 0; i < n; i++) {
      const bits = raw[at + i] | (raw[at + n + i] << 8);
      array[i] = kind === "f2" ? HALF[bits] / scale : bits;
    }
    out[name] = array;
  }
  return out;
};

// bits -> one byte a pixel
const bitmap = (bits, n) => {
  const out = new Uint8Array(8 * bits.length);
  for (let i = 0, at = 0; i < bits.length; i++, at += 8) {
    const byte = bits[i];
    if (byte) for (let k = 0; k < 8; k++) out[at + k] = (byte >> (7 - k)) & 1;
  }
  return out.subarray(0, n);
};

// layer 0 is the input, layer l = 1..L is decoder layer l as people count
const runOf = async (data) => {
  const arrays = arraysOf(await inflate(data.block), data.arrays);
  const { L, N, stages } = data;
  const run = { ...data, ...arrays, block: null, pixels: data.size[0] * data.size[1] };
  run.stageAt = new Int8Array(L + 1).fill(-1);
  run.attention = [null];
  run.rows = [];
  let at = 0, row = 0;
  stages.forEach((stage, i) => {
    run.rows.push(row);
    row += stage.n;
    const owner = run.owner.subarray(i * N, (i + 1) * N);
    for (let k = 1; k <= stage.L; k++) {
      run.stageAt[stage.first + k] = i;
      const values = new Float32Array(N).fill(NaN);
      for (let p = 0; p < N; p++) if (owner[p] >= 0) values[p] = arrays.A_SEG[at++];
      run.attention.push(values);
    }
  });
  run.attention[0] = new Float32Array(N).fill(NaN);
  run.masks = {};
  for (const name of ["mask", "dense", "truth"]) if (arrays[name]) run.masks[name] = bitmap(arrays[name], run.pixels);
  run.logitShape = data.arrays.logits[1];
  return run;
};

const part = (run, name, i) => run[name].subarray(i * run.N, (i + 1) * run.N);
// What the tower looked at, on the board: [x0, y0, x1, y1, rows, columns, whether it is the thumbnail], in the tokens' order.
const viewsOf = (run) => run.views || [[...run.crop, ...run.grid, 0]];
// The view that a patch belongs to, and its row and column there.
const placeOf = (run, patch) => {
  const views = viewsOf(run);
  let i = 0;
  for (; patch >= views[i][4] * views[i][5]; i++) patch -= views[i][4] * views[i][5];
  return [i, Math.floor(patch / views[i][5]), patch % views[i][5]];
};
const viewName = (run, i) => (!run.views ? "" : run.views[i][6] ? "thumbnail" : `tile ${i + 1}`);
// A patch on the board at the picture's size: left, top, right, bottom.
const boxOf = (run, patch) => {
  const [i, r, c] = placeOf(run, patch), [x0, y0, x1, y1, rows, cols] = viewsOf(run)[i];
  return [x0 + ((x1 - x0) * c) / cols, y0 + ((y1 - y0) * r) / rows, x0 + ((x1 - x0) * (c + 1)) / cols, y0 + ((y1 - y0) * (r + 1)) / rows];
};
const rowCol = (run, patch) => [Math.floor(patch / run.grid[1]), patch % run.grid[1]];

// The four places of SAM's coarse map behind one pixel along one axis, with weights: up to the square, cut, resize.
const taps = (low, square, cut, out) => {
  const places = new Int32Array(4 * out), weights = new Float32Array(4 * out);
  const mix = (at, n) => {
    const x = Math.min(Math.max(at, 0), n - 1), a = Math.floor(x);
    return [a, Math.min(a + 1, n - 1), x - a];
  };
  for (let i = 0; i < out; i++) {
    const [a, b, w] = mix(((i + 0.5) * cut) / out - 0.5, cut);
    [a, b].forEach((j, k) => {
      const [c, d, v] = mix(((j + 0.5) * low) / square - 0.5, low), share = k ? w : 1 - w;
      places.set([c, d], 4 * i + 2 * k);
      weights.set([share * (1 - v), share * v], 4 * i + 2 * k);
    });
  }
  return { places, weights };
};

// Logits at the picture's size, as Result.full_logits makes them; made once, when a threshold is first moved.
const fullLogits = (run) => {
  if (run.full) return run.full;
  const [h, w] = run.logitShape, [H, W] = run.pane || run.size, wide = run.size[1];
  const y = taps(h, run.sam.size, run.sam.input[0], H), x = taps(w, run.sam.size, run.sam.input[1], W);
  const tall = new Float32Array(H * w), full = new Float32Array(run.pixels).fill(-1e9);
  for (let i = 0; i < H; i++)
    for (let k = 0; k < 4; k++) {
      const weight = y.weights[4 * i + k], from = y.places[4 * i + k] * w;
      if (weight) for (let j = 0; j < w; j++) tall[i * w + j] += weight * run.logits[from + j];
    }
  for (let i = 0; i < H; i++)
    for (let j = 0; j < W; j++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += x.weights[4 * j + k] * tall[i * w + x.places[4 * j + k]];
      full[i * wide + j] = sum;
    }
  return (run.full = full);
};

// 0 is the model's own threshold: its mask came along, exact.
const maskAt = (run, threshold) => {
  if (!threshold) return run.masks.mask;
  const full = fullLogits(run), out = new Uint8Array(run.pixels);
  for (let i = 0; i < out.length; i++) out[i] = full[i] > threshold ? 1 : 0;
  return out;
};

const iouOf = (a, b, empty = 1) => {
  let both = 0, either = 0;
  for (let i = 0; i < a.length; i++) {
    both += a[i] & b[i];
    either += a[i] | b[i];
  }
  return either ? both / either : empty;
};

// The edge of a region as closed lines of corners [x, y, x, y, ...], inside on the right.
const contours = (inside, w, h) => {
  const next = new Map(), corner = (x, y) => y * (w + 1) + x;
  const edge = (from, to) => {
    const there = next.get(from);
    if (there === undefined) next.set(from, to);
    else next.set(from, [there, to].flat());
  };
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const i = y * w + x;
      if (!inside[i]) continue;
      if (!y || !inside[i - w]) edge(corner(x, y), corner(x + 1, y));
      if (x === w - 1 || !inside[i + 1]) edge(corner(x + 1, y), corner(x + 1, y + 1));
      if (y === h - 1 || !inside[i + w]) edge(corner(x + 1, y + 1), corner(x, y + 1));
      if (!x || !inside[i - 1]) edge(corner(x, y + 1), corner(x, y));
    }
  const lines = [];
  const take = (from) => {
    const there = next.get(from);
    if (!Array.isArray(there)) {
      next.delete(from);
      return there;
    }
    next.set(from, there[0]);
    return there[1];
  };
  while (next.size) {
    const start = next.keys().next().value;
    const line = [];
    let at = start, step = 0;
    do {
      const to = take(at);
      if (to - at !== step) line.push(at % (w + 1), Math.floor(at / (w + 1)));
      step = to - at;
      at = to;
    } while (at !== start);
    lines.push(line);
  }
  return lines;
};
