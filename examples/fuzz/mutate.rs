//! Mutations of real inputs: bytes flipped, cut, doubled and spliced, and pieces that parsers trip over put
//! in. Every run is its seed: the same number makes the same input again.

/// SplitMix64: small, and good enough to choose by.
pub struct Rng(pub u64);
impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// Below `n`; 0 where there is nothing to choose from.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// What stands where a parser does not expect it.
const PIECES: &[&str] = &[
    "<",
    ">",
    "</",
    "/>",
    "&",
    "&#x0;",
    "&#x10FFFF;",
    "&x;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<!DOCTYPE a>",
    "<?xml version='1.0' encoding='utf-16'?>",
    "xmlns:p='u'",
    "<info>",
    "</info>",
    "<area/>",
    "<polygon>",
    "<circle>",
    "<alert>",
    "</alert>",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\u",
    "\\ud800",
    ":",
    ",",
    "null",
    "1e999",
    "-0",
    "NaN",
    "inf",
    "1e308",
    "-1e308",
    "9999999999999999999",
    "140521",
    "1405",
    "999999999999",
    "00000000000000",
    "，",
    "、",
    "级",
    "红色",
    "升级为",
    "解除",
    "预警",
    "\u{FEFF}",
    "\u{202E}",
    "\u{0}",
    "\r\n",
    "\t",
    "\n\n",
    "2024-02-30T25:61:61+99:99",
    "-9999-01-01T00:00:00Z",
    "T",
    "+08:00",
    "=cmd|'/c'!A1",
    ";",
    "|",
    "'",
    "35,112 ",
    "112,35 ",
    ",,,,",
    "A1",
    "1,0",
    "全县",
    "𠮷",
    "é",
    "\u{85}",
    "%s",
    "../..",
    "PK\u{3}\u{4}",
];

/// One to eight mutations of `seed`, at times with a part of `other`.
pub fn mutate(rng: &mut Rng, seed: &[u8], other: &[u8], most: usize) -> Vec<u8> {
    let mut out = seed.to_vec();
    for _ in 0..=rng.below(8) {
        let at = rng.below(out.len() + 1);
        let span = [1, 2, 4, 16, 64, 1024][rng.below(6)];
        let end = (at + 1 + rng.below(span)).min(out.len());
        match rng.below(9) {
            0 => {
                if let Some(b) = out.get_mut(at) {
                    *b ^= 1 << rng.below(8);
                }
            }
            1 => {
                if let Some(b) = out.get_mut(at) {
                    *b = rng.next() as u8;
                }
            }
            2 => drop(out.drain(at.min(end)..end)),
            3 => {
                let copy = out[at.min(end)..end].to_vec();
                let times = 1 + rng.below(4);
                out.splice(at..at, copy.repeat(times));
            }
            4 | 5 => drop(out.splice(at..at, PIECES[rng.below(PIECES.len())].bytes())),
            6 => drop(out.splice(at.min(end)..end, PIECES[rng.below(PIECES.len())].bytes())),
            7 => {
                let from = rng.below(other.len());
                let to = (from + 1 + rng.below(256)).min(other.len());
                out.splice(at..at, other[from.min(to)..to].iter().copied());
            }
            _ => out.truncate(at),
        }
        out.truncate(most);
    }
    out
}
