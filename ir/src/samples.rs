//! Samples in arrays that users bring: the first axis counts them, for calibration as for inference.

/// How many values of an input of shape `input` an array of shape `given` holds, and how many rows of a last incomplete
/// batch are left over; `None` if the array does not fit.
///
/// ```text
/// input [1, 3, 8, 8]   [n, 3, 8, 8] and [n, 1, 3, 8, 8] hold n, [3, 8, 8] holds one
/// input [4, 10]        a batch: rows are samples, [n, 10] holds n / 4; [n, 4, 10] holds n
/// input [3, 8, 8]      no batch axis: [n, 3, 8, 8] holds n, [3, 8, 8] one
/// ```
#[must_use]
pub fn samples(given: &[usize], input: &[usize]) -> Option<(usize, usize)> {
    let one = match input {
        [1, rest @ ..] if !rest.is_empty() => rest,
        whole => whole,
    };
    if given == input || given == one {
        return Some((1, 0));
    }
    let (&count, each) = given.split_first()?;
    if each == input || each == one {
        return Some((count, 0));
    }
    match input {
        &[batch, ref rest @ ..] if batch > 0 && !rest.is_empty() && each == rest => {
            Some((count / batch, count % batch))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::samples;

    #[test]
    fn inputs_with_a_batch_axis_take_rows_and_others_take_whole_values() {
        let image = &[1, 3, 8, 8];
        assert_eq!(samples(&[5, 3, 8, 8], image), Some((5, 0)));
        assert_eq!(samples(&[5, 1, 3, 8, 8], image), Some((5, 0)));
        assert_eq!(samples(&[3, 8, 8], image), Some((1, 0)));
        assert_eq!(samples(&[5, 8, 8, 3], image), None);
        assert_eq!(samples(&[9, 10], &[4, 10]), Some((2, 1)));
        assert_eq!(samples(&[9, 4, 10], &[4, 10]), Some((9, 0)));
        assert_eq!(samples(&[5, 3, 8, 8], &[3, 8, 8]), Some((5, 0)));
        assert_eq!(samples(&[3, 8, 8], &[3, 8, 8]), Some((1, 0)));
        assert_eq!(samples(&[4, 14], &[14]), Some((4, 0)));
        assert_eq!(samples(&[14], &[14]), Some((1, 0)));
        assert_eq!(samples(&[28], &[14]), None);
        assert_eq!(samples(&[4, 5, 1], &[5, 1]), Some((4, 0)));
        assert_eq!(samples(&[4], &[]), Some((4, 0)));
        assert_eq!(samples(&[], &[14]), None);
    }
}
