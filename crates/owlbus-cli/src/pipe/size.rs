//! A number of bytes, as people write it.

/// Reads a size such as `4096`, `512k` or `4MiB`.
///
/// `k`, `M` and `G` count in 1,024s, as `KiB`, `MiB` and `GiB` do; `kB`, `MB` and `GB` in 1,000s. That is what
/// `head -c` makes of them.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => {
            return Err(
                "is no size; write bytes, or a number with k, M, G, KiB, MiB or GiB, such as 4MiB".into()
            );
        }
    };
    let number: usize =
        number.parse().map_err(|_| "has no number that can be used; write one, such as 4MiB")?;
    match number.checked_mul(unit) {
        None => Err("is more than this machine can count".into()),
        Some(0) => Err("is 0, so no event would ever be taken".into()),
        Some(bytes) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_read_as_people_write_them() {
        let sizes = [
            ("1", 1),
            ("4096", 4096),
            ("512k", 512 << 10),
            ("512K", 512 << 10),
            ("3KiB", 3 << 10),
            ("3 kib", 3 << 10),
            ("4M", 4 << 20),
            ("4MiB", 4 << 20),
            ("2GiB", 2 << 30),
            ("5kB", 5_000),
            ("5MB", 5_000_000),
            ("7B", 7),
        ];
        for (text, bytes) in sizes {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in
            ["", "k", "0", "0MiB", "-1", "1.5M", "4 apples", "99999999999999999999", "99999999999999G"]
        {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
