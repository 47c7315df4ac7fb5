// A worker: finds the number below `work` whose digits behind `salt` have the SHA-256 `target`.
// Of our own (FIPS 180-4), since SubtleCrypto is asynchronous, several times slower for texts as
// short as these, and missing on a page without TLS. Salt and digits fit one block of 55 bytes.
const ROUND = new Int32Array(64);
const START = new Int32Array(8);
const words = new Int32Array(64);
const sum = new Int32Array(8);
const block = new DataView(new ArrayBuffer(64));

function fillConstants() {
  const fraction = (number) => ((number % 1) * 4294967296) | 0;
  for (let candidate = 2, found = 0; found < 64; candidate++) {
    let divisor = 2;
    while (candidate % divisor) divisor++;
    if (divisor < candidate) continue;
    if (found < 8) START[found] = fraction(Math.sqrt(candidate));
    ROUND[found++] = fraction(Math.cbrt(candidate));
  }
}

function turn(word, bits) {
  return (word >>> bits) | (word << (32 - bits));
}

function put(text, at) {
  for (let i = 0; i < text.length; i++) block.setUint8(at + i, text.charCodeAt(i));
}

function hash(length) {
  block.setUint8(length, 0x80);
  block.setUint32(60, length * 8);
  for (let i = 0; i < 16; i++) words[i] = block.getInt32(i * 4);
  for (let i = 16; i < 64; i++) {
    const a = words[i - 15];
    const b = words[i - 2];
    const mixed = (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10));
    words[i] = (words[i - 16] + words[i - 7] + mixed) | 0;
  }
  let a = START[0];
  let b = START[1];
  let c = START[2];
  let d = START[3];
  let e = START[4];
  let f = START[5];
  let g = START[6];
  let h = START[7];
  for (let i = 0; i < 64; i++) {
    const chosen = (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g));
    const most = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    const next = (h + chosen + ROUND[i] + words[i]) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + next) | 0;
    d = c;
    c = b;
    b = a;
    a = (next + most) | 0;
  }
  sum[0] = a + START[0];
  sum[1] = b + START[1];
  sum[2] = c + START[2];
  sum[3] = d + START[3];
  sum[4] = e + START[4];
  sum[5] = f + START[5];
  sum[6] = g + START[6];
  sum[7] = h + START[7];
}

function solve(salt, target, work) {
  const wanted = Int32Array.from({ length: 8 }, (_, i) => parseInt(target.slice(i * 8, i * 8 + 8), 16));
  put(salt, 0);
  for (let number = 0; number < work; number++) {
    const digits = String(number);
    put(digits, salt.length);
    hash(salt.length + digits.length);
    if (sum[0] === wanted[0] && sum.every((word, i) => word === wanted[i])) return number;
  }
  return null;
}

fillConstants();
onmessage = ({ data }) => postMessage(solve(data.salt, data.target, data.work));
