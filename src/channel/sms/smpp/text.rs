//! Texts as UCS2, their parts with a user data header, and what comes in read back.

/// 16-bit units of one SMS, and of each part of a long one.
pub(super) const SINGLE: usize = 70;
pub(super) const PART: usize = 67;
/// esm_class: the short message begins with a user data header.
pub(super) const UDHI: u8 = 0x40;

pub(super) fn ucs2(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}
pub(super) fn bytes(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|u| u.to_be_bytes()).collect()
}

/// Parts of at most [`PART`] units, none ending within a pair, each with its header (8-bit reference).
pub(super) fn parts(units: &[u16], reference: u8) -> Result<Vec<Vec<u8>>, String> {
    let mut chunks: Vec<&[u16]> = Vec::new();
    let mut rest = units;
    while !rest.is_empty() {
        let mut at = rest.len().min(PART);
        let splits_pair = |at: usize| at > 0 && rest.get(at - 1).is_some_and(|u| (0xD800..0xDC00).contains(u));
        if at < rest.len() && splits_pair(at) {
            at -= 1;
        }
        let (head, tail) = rest.split_at(at);
        chunks.push(head);
        rest = tail;
    }
    let total = u8::try_from(chunks.len()).map_err(|_| format!("the message has {} parts, at most 255 can be sent", chunks.len()))?;
    let part = |(n, chunk): (u8, &&[u16])| {
        let mut out = vec![5, 0, 3, reference, total, n];
        out.extend(bytes(chunk));
        out
    };
    Ok((1..=total).zip(&chunks).map(part).collect())
}

/// What somebody wrote, without its header; data codings 8 (UCS2), 15 (GBK, in China), 3 (Latin 1), else ASCII.
pub(super) fn read(coding: u8, udhi: bool, body: &[u8]) -> String {
    let body = match body.split_first() {
        Some((length, rest)) if udhi => rest.get(usize::from(*length)..).unwrap_or_default(),
        _ => body,
    };
    match coding {
        8 => {
            let units: Vec<u16> = body.chunks_exact(2).map(|pair| pair.iter().fold(0, |n, b| (n << 8) | u16::from(*b))).collect();
            String::from_utf16_lossy(&units)
        }
        15 => encoding_rs::GBK.decode_without_bom_handling(body).0.into_owned(),
        3 => body.iter().map(|b| char::from(*b)).collect(),
        _ => String::from_utf8_lossy(body).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_their_headers_lose_nothing_and_split_no_pair() {
        let text = format!("{}😀{}", "雨".repeat(66), "水".repeat(10));
        let all = parts(&ucs2(&text), 7).unwrap();
        assert_eq!(all.iter().map(|p| p[..6].to_vec()).collect::<Vec<_>>(), [[5, 0, 3, 7, 2, 1], [5, 0, 3, 7, 2, 2]]);
        let back: String = all.iter().map(|p| read(8, true, p)).collect();
        assert_eq!(back, text);
        assert!(parts(&vec![0x4e00; PART * 256], 0).is_err());
        assert!(parts(&[], 0).unwrap().is_empty());
    }

    #[test]
    fn replies_are_read_in_the_codings_carriers_use() {
        assert_eq!(read(8, false, &bytes(&ucs2("收到1"))), "收到1");
        assert_eq!(read(15, false, &[0xCA, 0xD5, 0xB5, 0xBD, b'1']), "收到1");
        assert_eq!((read(0, false, b"1").as_str(), read(3, false, &[0xE9]).as_str()), ("1", "é"));
        assert_eq!((read(8, true, &[200, 1]), read(8, true, &[])), (String::new(), String::new()));
    }
}
