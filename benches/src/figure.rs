//! Numbers as people read them, the same in every table and plot.

/// A ratio with two decimals; three digits once it is large.
#[must_use]
pub fn ratio(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// From one ratio to another.
#[must_use]
pub fn spread(low: f64, high: f64) -> String {
    format!("{}–{}", ratio(low), ratio(high))
}

/// Milliseconds with three digits or so.
#[must_use]
pub fn milliseconds(value: f64) -> String {
    let decimals = match value {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// A count with its thousands, millions or billions: `30.0 M`.
#[must_use]
pub fn count(value: f64) -> String {
    match value {
        1e9.. => format!("{:.2} G", value / 1e9),
        1e6.. => format!("{:.1} M", value / 1e6),
        1e4.. => format!("{:.1} k", value / 1e3),
        _ => format!("{value:.0}"),
    }
}

/// A size in binary units: `1.5 MiB`.
#[must_use]
pub fn bytes(value: f64) -> String {
    const KIB: f64 = 1024.0;
    if value >= KIB * KIB {
        format!("{:.1} MiB", value / (KIB * KIB))
    } else if value >= KIB {
        format!("{:.0} KiB", value / KIB)
    } else {
        format!("{value:.0} B")
    }
}

/// [`ratio()`] of what may not have been measured.
#[must_use]
pub fn some_ratio(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), ratio)
}

/// [`bytes()`] of a size that may not have been measured.
#[must_use]
pub fn some_bytes(value: Option<u64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| bytes(value as f64))
}

/// `1 worker`, `2 workers`.
#[must_use]
pub fn workers(n: usize) -> String {
    if n == 1 { "1 worker".to_owned() } else { format!("{n} workers") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_about_three_digits() {
        assert_eq!([ratio(0.966), ratio(63.215), ratio(163.2)], ["0.97", "63.22", "163"]);
        let times = [0.01234, 1.234, 12.34, 1234.4].map(milliseconds);
        assert_eq!(times, ["0.012", "1.23", "12.3", "1234"]);
        assert_eq!(
            [9999.0, 47_619.0, 3e7, 2.5e9].map(count),
            ["9999", "47.6 k", "30.0 M", "2.50 G"]
        );
        assert_eq!([17.0, 2048.0, 1_572_864.0].map(bytes), ["17 B", "2 KiB", "1.5 MiB"]);
    }
}
