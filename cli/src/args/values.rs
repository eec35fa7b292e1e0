//! Values of options, from text.

use blockloom_state::Durability;
use std::time::Duration;

/// How often commits are synced.
pub(super) fn durability(text: &str) -> Result<Durability, String> {
    match text.trim() {
        "block" => Ok(Durability::Synced),
        "none" => Ok(Durability::Unsynced),
        number => match number.parse() {
            Ok(n) => Ok(Durability::Every(n)),
            Err(_) => Err("neither `block` nor `none` nor a number of blocks above 0".to_owned()),
        },
    }
}

/// A count. Of workers, zero would mean "every core" and make a run's meaning
/// depend on the machine.
pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}")),
    }
}

pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim().parse().map_err(|error| format!("{error}"))?;
    if number >= 0.0 { Ok(number) } else { Err("a percentage from 0 on is needed".to_owned()) }
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim().parse().map_err(|error| format!("{error}"))?;
    (0.0..=1.0).contains(&number).then_some(number).ok_or_else(|| "from 0 to 1".to_owned())
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim().parse().map_err(|error| format!("{error}"))?;
    // Beyond, a pause between requests would be no pause, or no end of one.
    let sensible = (1e-3..=1e6).contains(&number);
    sensible.then_some(number).ok_or_else(|| "from 0.001 to 1000000".to_owned())
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    positive(text).map(Duration::from_secs_f64)
}

/// A number of gas units, such as `30M`.
pub(super) fn gas(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, factor) = match text.char_indices().last() {
        Some((end, 'k')) => (&text[..end], 1_000),
        Some((end, 'M')) => (&text[..end], 1_000_000),
        Some((end, 'G')) => (&text[..end], 1_000_000_000),
        _ => (text, 1),
    };
    let number: u64 = digits.parse().map_err(|error| format!("{error}"))?;
    number.checked_mul(factor).ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durability_is_a_word_or_a_number() {
        let every = |n| Ok(Durability::Every(n));
        assert_eq!(durability("block"), Ok(Durability::Synced));
        assert_eq!(durability(" none "), Ok(Durability::Unsynced));
        assert_eq!(durability("16"), every(16.try_into().unwrap()));
        for wrong in ["", "0", "-1", "all", "1.5", "99999999999999999999"] {
            assert!(durability(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn gas_may_have_a_unit() {
        assert_eq!(gas("21000"), Ok(21_000));
        assert_eq!(gas(" 30M "), Ok(30_000_000));
        assert_eq!((gas("50k"), gas("1G")), (Ok(50_000), Ok(1_000_000_000)));
        for wrong in ["", "M", "1.5G", "1T", "99999999999G"] {
            assert!(gas(wrong).is_err(), "{wrong:?}");
        }
    }
}
