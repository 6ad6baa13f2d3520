//! Dice that fall the same way every time: a hash of (seed, phone, n, what is asked).

/// A number in 0.0..1.0.
pub fn roll(seed: u64, phone: &str, n: u32, what: &str) -> f64 {
    let mut h = seed ^ 0xcbf2_9ce4_8422_2325;
    for b in phone.bytes().chain([0xff]).chain(what.bytes()).chain(n.to_le_bytes()) {
        h = (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    }
    // FNV alone leaves the last bytes in the low bits; mix them through (murmur3's finaliser).
    h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^= h >> 33;
    (h >> 11) as f64 / (1u64 << 53) as f64
}

/// Whether an event of this share happens.
pub fn happens(share: f64, seed: u64, phone: &str, n: u32, what: &str) -> bool {
    share > 0.0 && roll(seed, phone, n, what) < share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dice_repeat_and_are_fair() {
        assert_eq!(roll(1, "15400000001", 3, "x"), roll(1, "15400000001", 3, "x"));
        let mut low = 0;
        for i in 0..10_000u32 {
            let r = roll(7, &format!("154{i:08}"), 0, "dead");
            assert!((0.0..1.0).contains(&r));
            low += u32::from(r < 0.3);
        }
        assert!((2800..3200).contains(&low), "{low}");
        let same = (0..1000u32).filter(|n| happens(0.5, 7, "15400000001", *n, "a") == happens(0.5, 7, "15400000001", *n, "b")).count();
        assert!((400..600).contains(&same), "questions are independent: {same}");
        assert!(!happens(0.0, 0, "", 0, "") && happens(1.0, 0, "", 0, ""));
    }
}
